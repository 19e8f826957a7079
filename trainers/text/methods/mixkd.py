"""MixKD: the student also imitates the teacher on mixtures of two texts.

L lanes, B examples of a batch, N of the training split, S tokens, C classes, K mixtures in a bank.

m_i    the share of example i in its mixture with j, from Beta(a, a)                   (L, B)
e'_i   m_i e_i + (1 - m_i) e_j, embeddings of words, in the network's own table
z'_i   the student's logits for it, t'_i the teacher's                                 (L, B, C)

SM_i   = m_i CE(y_i, z'_i) + (1 - m_i) CE(y_j, z'_i)
TMKD_i = tau^2 KL(softmax(t'_i / tau) || softmax(z'_i / tau)), or the mean square of t'_i - z'_i
L_i    = (1 - alpha) (CE_i + sm SM_i) / (1 + sm) + alpha (kd KD_i + tm TMKD_i) / (kd + tm)

CE_i and KD_i are those of fixed-alpha KD, which this is at sm = tm = 0, kd = 1.

After Liang et al. 2021 (ICLR), arXiv 2011.00593, of which the abstract alone could be had, and of
which no code of the authors was found. Departures, or what may be some: the sum is convex, so that
alpha means what it means elsewhere; a text that is shorter than its partner counts less behind its
end (``soft``); partners come from the whole training split, a permutation an epoch; with a bank the
teacher answers K mixtures of every example before training, of which an epoch takes one. Dropout is
off.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from trainers.classes.lanes import ClassLanes
from trainers.classes.losses import cross_entropy, distillation
from trainers.lanes.network import LaneNetwork
from trainers.method import Method, Setup, Step
from trainers.text.methods import mixtures
from trainers.text.methods.mixtures import WEIGHTS, Bank, Pairs
from trainers.text.networks.tokens import Tokens

# Mixtures of one lane that a teacher is asked about at once, for a bank.
AT_ONCE = 512


class MixKd(Method):
    """Labels and teacher, on texts and on mixtures of them."""

    data: ClassLanes

    def __init__(self, setup: Setup) -> None:
        """ValueError where there is nobody to ask about mixtures."""
        super().__init__(setup)
        if setup.ask is None:
            raise ValueError("mixkd asks the teacher itself; give its network, not its outputs")
        self._ask = setup.ask
        self._student = setup.student
        self._seeds = setup.seeds
        self._banks: list[Bank | None] | None = None
        # Of the epoch: of each training example the place of its partner and its own share (L, N),
        # and what banks have of the teacher's logits for the mixture (L, N, C).
        self._partner = torch.zeros(0, dtype=torch.int64)
        self._share = torch.zeros(0)
        self._answers = torch.zeros(0)

    def begin_epoch(self, epoch: int, student: LaneNetwork, lr: Tensor) -> None:
        """Draw what is mixed with what in this epoch."""
        if self._banks is None:
            self._banks = self._filled(lr)
        nothing = torch.zeros(self._n, self.data.classes)
        drawn, answers = [], []
        for lane, (bank, seed) in enumerate(zip(self._banks, self._seeds, strict=True)):
            if bank is None:
                pairs = mixtures.pairs_of_epoch(seed, self._beta(lane), self._n, epoch)
                known = nothing
            else:
                pairs, known = mixtures.chosen(bank, seed, epoch)
            drawn.append(pairs)
            answers.append(known.to(nothing))
        self._partner = torch.stack([pairs.partner for pairs in drawn]).to(self.data.device)
        self._share = torch.stack([pairs.share for pairs in drawn]).to(lr)
        self._answers = torch.stack(answers).to(lr)

    def losses(self, step: Step) -> Tensor:
        alpha, sm, tm, kd = (
            self.values.numbers[name].unsqueeze(1)
            for name in ("alpha", "sm_weight", "tmkd_weight", "kd_weight")
        )
        label, teacher = step.terms.label, step.terms.teacher(0)
        mixed_label = mixed_teacher = torch.zeros_like(label)
        if bool((sm + tm > 0).any()):
            mixed_label, mixed_teacher = self._on_mixtures(step)
        weight = kd + tm
        label = (label + sm * mixed_label) / (1 + sm)
        # Of neither, nothing is left of the teacher.
        teacher = (kd * teacher + tm * mixed_teacher) / weight.where(weight > 0, 1.0)
        return (1 - alpha) * label + alpha * teacher

    def keep(self, lanes: Tensor) -> None:
        super().keep(lanes)
        chosen = lanes.tolist()
        self._seeds = tuple(self._seeds[i] for i in chosen)
        if self._banks is None:
            return
        self._banks = [self._banks[i] for i in chosen]
        self._partner, self._share = self._partner[lanes], self._share[lanes]
        self._answers = self._answers[lanes]

    @property
    def _n(self) -> int:
        return self.data.size("train")

    def _beta(self, lane: int) -> float:
        return float(self.values.numbers["mix_alpha"][lane])

    def _count(self, lane: int) -> int:
        """K of a lane."""
        return int(self.values.numbers["bank"][lane])

    def _asks(self, lane: int) -> bool:
        """Whether it matters to a lane what its teacher says of mixtures."""
        queries = self.values.words["target"][lane] == "query"
        return queries and float(self.values.numbers["tmkd_weight"][lane]) > 0

    def _asks_live(self, lane: int) -> bool:
        """Whether its teacher is asked at every step."""
        return self._asks(lane) and not self._count(lane)

    def _on_mixtures(self, step: Step) -> tuple[Tensor, Tensor]:
        """SM and TMKD, (L, B) each."""
        places = step.batch.places
        partner, share = self._partner.gather(1, places), self._share.gather(1, places)
        other = self.data.targets_of("train", partner)
        shown = self._shown(step.batch.inputs, self.data.inputs_of("train", partner), share)
        z = self._student(shown).logits
        mixed_label = share * cross_entropy(z, step.batch.targets.labels)
        mixed_label = mixed_label + (1 - share) * cross_entropy(z, other.labels)

        def query() -> Tensor:
            at = places.unsqueeze(2).expand(-1, -1, self.data.classes)
            known = self._answers.gather(1, at)
            asks = [lane for lane in range(len(self._seeds)) if self._asks_live(lane)]
            if asks:
                known[asks] = self._ask.outputs(shown)[0].logits[asks].to(known)
            return known

        def interpolate() -> Tensor:
            own: Tensor = step.batch.targets.teachers[:, 0]
            m = share.unsqueeze(2)
            return m * own + (1 - m) * other.teachers[:, 0]

        t = self._by_word("target", {"query": query, "interpolate": interpolate}).detach()
        tau = self.values.numbers["temperature"].unsqueeze(1)

        def kl() -> Tensor:
            return distillation(t, z, tau)

        def mse() -> Tensor:
            return (t - z).square().mean(2)

        return mixed_label, self._by_word("distance", {"kl": kl, "mse": mse})

    def _shown(self, ids: Tensor, partner: Tensor, share: Tensor) -> Tokens:
        """Mixtures, every lane's by its own rule."""

        def by_rule(own: Tensor, other: Tensor, m: Tensor) -> Tensor:
            ways = {name: (lambda w=weight: w(own, other, m)) for name, weight in WEIGHTS.items()}
            return self._by_word("mask", ways)

        return mixtures.mixture(ids, partner, share, by_rule)

    def _by_word(self, name: str, ways: Mapping[str, Callable[[], Tensor]]) -> Tensor:
        """What each lane's choice of a word gives, (L, ...); what no lane chose is not made."""
        words = self.values.words[name]
        made = {word: ways[str(word)]() for word in dict.fromkeys(words)}
        if len(made) == 1:
            return made[words[0]]
        return torch.stack([made[word][lane] for lane, word in enumerate(words)])

    def _filled(self, like: Tensor) -> list[Bank | None]:
        """The bank of each lane that has one; made once for lanes that share it."""
        known: dict[tuple[object, ...], Bank] = {}
        found: list[Bank | None] = []
        rows, teachers = self.data.rows("train"), self.data.teacher_numbers
        for lane, seed in enumerate(self._seeds):
            count = self._count(lane)
            if not count or not self._asks(lane):
                found.append(None)
                continue
            key = (
                seed, self._beta(lane), count, self.values.words["mask"][lane],
                tuple(rows[lane].tolist()), tuple(teachers[lane].tolist()),
            )  # fmt: skip
            if key not in known:
                pairs = mixtures.pairs_of_bank(seed, self._beta(lane), self._n, count)
                known[key] = mixtures.filled(pairs, lambda p, i=lane: self._asked(i, p, like))  # type: ignore[misc]
            found.append(known[key])
        return found

    def _asked(self, lane: int, pairs: Pairs, like: Tensor) -> Tensor:
        """What a lane's teacher says of mixtures of all its examples, (N, C)."""
        at = torch.tensor([lane], device=self.data.device)
        answers = []
        for start in range(0, self._n, AT_ONCE):
            places = torch.arange(start, min(start + AT_ONCE, self._n), device=self.data.device)
            partner = pairs.partner.to(self.data.device)[places]
            ids, others = (
                self.data.inputs_of("train", index.unsqueeze(0), at) for index in (places, partner)
            )
            share = pairs.share.to(like)[places].unsqueeze(0)
            rule = WEIGHTS[str(self.values.words["mask"][lane])]
            shown = mixtures.mixture(ids, others, share, rule)
            answers.append(self._ask.outputs_of(lane, shown)[0].logits[0])
        return torch.cat(answers)
