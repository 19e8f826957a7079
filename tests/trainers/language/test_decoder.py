"""The decoder over lanes: what it computes, and what it writes."""

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, jvp

from tests.trainers.language.cases import SMALL, decoder, sums
from trainers.data.tokenizer import PADDING
from trainers.lanes.sequences import gelu
from trainers.lanes.weights import keep_lanes
from trainers.language.data.lanes import facts_of
from trainers.language.networks.decoder import Decoder
from trainers.language.networks.network import SequenceFacts
from trainers.language.writing import write
from trainers.settings import ModelSpec

FACTS = facts_of(sums())


def _inputs(n: int = 6) -> Tensor:
    dataset = sums()
    both = torch.cat([torch.as_tensor(t[:n]) for t in (dataset.prompts, dataset.responses)], 1)
    return both.long().unsqueeze(0)


def test_it_is_gpt_2_of_transformers() -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    own = decoder(FACTS, ModelSpec("decoder", {"width": 8, "layers": 2, "heads": 2}))
    width, inputs = 8, _inputs()
    config = transformers.GPT2Config(
        vocab_size=FACTS.vocabulary, n_positions=FACTS.prompts + FACTS.responses, n_embd=width,
        n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0, tie_word_embeddings=False,
        attn_implementation="eager",
    )  # fmt: skip
    theirs = transformers.GPT2LMHeadModel(config).eval()
    weights = dict(own.named_parameters())

    def of(name: str) -> Tensor:
        return weights[name].detach()[0]

    with torch.no_grad():
        theirs.transformer.wte.weight.copy_(of("words.weight"))
        theirs.transformer.wpe.weight.copy_(of("positions.weight"))
        for i, block in enumerate(theirs.transformer.h):
            at = f"layers.{i}."
            for kind in ("weight", "bias"):
                getattr(block.ln_1, kind).copy_(of(f"{at}attending.{kind}"))
                getattr(block.ln_2, kind).copy_(of(f"{at}mapping.{kind}"))
                qkv = [of(f"{at}attention.{n}.{kind}") for n in ("query", "key", "value")]
                getattr(block.attn.c_attn, kind).copy_(torch.cat(qkv).t())
                getattr(block.attn.c_proj, kind).copy_(of(f"{at}attention.output.{kind}").t())
                getattr(block.mlp.c_fc, kind).copy_(of(f"{at}widen.{kind}").t())
                getattr(block.mlp.c_proj, kind).copy_(of(f"{at}narrow.{kind}").t())
        for kind in ("weight", "bias"):
            getattr(theirs.transformer.ln_f, kind).copy_(of(f"last.{kind}"))
        theirs.lm_head.weight.copy_(of("head.weight"))
        ids = inputs[0]
        there = ids != PADDING
        places = (there.cumsum(1) - 1).clamp(min=0)
        logits = theirs(ids.clamp(min=0), attention_mask=there.long(), position_ids=places).logits
        mine = own(inputs).logits[0]
    wanted = logits[:, FACTS.prompts - 1 : -1] + of("head.bias")
    told = ids[:, FACTS.prompts :] != PADDING
    torch.testing.assert_close(mine[told], wanted[told], rtol=1e-5, atol=1e-5)


def test_a_token_is_told_from_what_stands_before_it() -> None:
    network, inputs = decoder(FACTS).eval(), _inputs()
    logits = network(inputs).logits
    first = FACTS.prompts
    changed = inputs.clone()
    changed[:, :, first + 1] = (changed[:, :, first + 1].clamp(min=0) + 1) % FACTS.vocabulary
    moved = (network(changed).logits - logits).abs().amax((0, 1, 3))
    assert (moved[:2] == 0).all()
    assert moved[2] > 0
    # What the response is at last is told, and tells nothing more.
    changed = inputs.clone()
    changed[:, :, -1] = 3
    assert torch.equal(network(changed).logits, logits)


def test_padding_before_a_prompt_and_its_content_change_nothing() -> None:
    network, inputs = decoder(FACTS).eval(), _inputs()
    wider = SequenceFacts(FACTS.prompts + 3, FACTS.responses, FACTS.vocabulary, FACTS.end)
    other = decoder(wider).eval()
    weights = dict(network.named_parameters())
    with torch.no_grad():
        for name, parameter in other.named_parameters():
            rows = weights[name].shape[1]
            parameter[:, :rows].copy_(weights[name])
    more = torch.cat([torch.full((1, inputs.shape[1], 3), PADDING), inputs], 2)
    told = (inputs[:, :, FACTS.prompts :] != PADDING).unsqueeze(3)
    off = (network(inputs).logits - other(more).logits) * told
    assert off.abs().max() < 1e-5


def test_steps_with_a_cache_say_what_the_whole_says() -> None:
    network, inputs = decoder(FACTS, seeds=(0, 1)).eval(), _inputs().expand(2, -1, -1)
    whole = network(inputs).logits
    logits, cache = network.begin(inputs[:, :, : FACTS.prompts])
    steps = [logits]
    for column in range(FACTS.responses - 1):
        token = inputs[:, :, FACTS.prompts + column].clamp(min=0)
        steps.append(network.step(token, cache))
    told = (inputs[:, :, FACTS.prompts :] != PADDING).unsqueeze(3)
    assert ((torch.stack(steps, 2) - whole) * told).abs().max() < 1e-5


@pytest.mark.parametrize("examples", [6, 17])
def test_a_lane_is_the_same_in_any_company(examples: int) -> None:
    inputs = _inputs(examples)
    together = decoder(FACTS, seeds=(0, 1, 2)).train()
    alone = decoder(FACTS, seeds=(1,)).train()
    outputs = [together(inputs.expand(3, -1, -1)), alone(inputs)]
    assert torch.equal(outputs[0].logits[1], outputs[1].logits[0])
    gradients = [
        torch.autograd.grad(output.logits.square().sum(), list(network.parameters()))
        for output, network in zip(outputs, (together, alone), strict=True)
    ]
    assert all(torch.equal(a[1], b[0]) for a, b in zip(*gradients, strict=True))
    prompts, cold = inputs[:, :, : FACTS.prompts], torch.zeros(3)
    written = write(together, prompts.expand(3, -1, -1), cold)
    assert torch.equal(written[1], write(alone, prompts, cold[:1])[0])
    keep_lanes(together, torch.tensor([1]))
    assert torch.equal(together(inputs).logits, alone(inputs).logits)


def test_forward_mode_goes_through(double_precision: None) -> None:
    network, inputs = decoder(FACTS).eval(), _inputs()
    theta = {name: p.detach() for name, p in network.named_parameters()}
    rng = torch.Generator().manual_seed(5)
    v = {n: torch.randn(p.shape, generator=rng, dtype=p.dtype) for n, p in theta.items()}

    def logits(at: dict[str, Tensor]) -> Tensor:
        shown: Tensor = functional_call(network, at, (inputs,)).logits
        return shown

    along = jvp(logits, (theta,), (v,))[1]
    step = 1e-6
    ahead, behind = (
        logits({n: p + sign * step * v[n] for n, p in theta.items()}) for sign in (1, -1)
    )
    torch.testing.assert_close(along, (ahead - behind) / (2 * step), rtol=1e-5, atol=1e-6)


def test_parameters_are_counted_as_declared() -> None:
    network: Decoder = decoder(FACTS, SMALL)
    width, wide, vocabulary = 8, 32, FACTS.vocabulary
    matrices = [network.get_parameter(name).shape[1:] for name in network.matrices]
    assert sum(k * d for k, d in matrices) == 4 * width * width + 2 * width * wide
    assert network.head.weight.shape[1:] == (vocabulary, width)


@pytest.mark.parametrize("count", [1, 16, 63, 64, 816])
def test_gelu_of_a_lane_is_the_same_beside_others(count: int) -> None:
    x = torch.randn(3, count, generator=torch.Generator().manual_seed(0))
    found = gelu(x)
    torch.testing.assert_close(found, torch.nn.functional.gelu(x, approximate="tanh"))
    for lane in range(3):
        assert torch.equal(gelu(x[lane : lane + 1]), found[lane : lane + 1])
