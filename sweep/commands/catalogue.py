"""What there is to choose from: methods, data sets, networks, search spaces."""

from sweep.commands.printing import print_table


def methods() -> None:
    """List the methods, with what each searches or can have pinned."""
    from trainers.registry import METHODS

    rows = [
        {
            "method": name,
            "what it does": entry.summary,
            "hyperparameters": ", ".join(h.name for h in entry.hyperparameters),
            "source": entry.source,
        }
        for name, entry in METHODS.items()
    ]
    print_table(["method", "what it does", "hyperparameters", "source"], rows)


def datasets() -> None:
    """List the data sets."""
    from trainers.classification.data.datasets import DATASETS

    rows = [
        {"data set": name, "what it is": entry.summary, "source": entry.source}
        for name, entry in DATASETS.items()
    ]
    print_table(["data set", "what it is", "source"], rows)


def networks() -> None:
    """List the networks that students and teachers can be."""
    from trainers.classification.networks.table import NETWORKS

    rows = [
        {"network": name, "what it is": network.summary, "source": network.source}
        for name, network in NETWORKS.items()
    ]
    print_table(["network", "what it is", "source"], rows)


def spaces() -> None:
    """List what each method searches by default, and where the default value comes from."""
    from search_spaces.defaults import OWN, SHARED
    from trainers.registry import METHODS

    def row(method: str, name: str, domain: object) -> dict[str, str]:
        owners = [method] if method in METHODS else METHODS
        known = [h for owner in owners for h in METHODS[owner].hyperparameters if h.name == name]
        return {
            "method": method,
            "hyperparameter": name,
            "domain": str(domain),
            "default": str(known[0].default),
            "source of the default": known[0].source,
        }

    rows = [
        row(method, name, domain)
        for method, space in {"(shared)": SHARED, **OWN}.items()
        for name, domain in space.items()
    ]
    columns = ["method", "hyperparameter", "domain", "default", "source of the default"]
    print_table(columns, rows)
