"""Update and compile all catalogues: ``python -m docs.catalogue``.

Prints how much is translated, and what is missing where a test wants everything.
"""

from docs.catalogue import CATALOGUES, missing, refresh, shares

if __name__ == "__main__":
    for source in CATALOGUES:
        catalogue = refresh(source)
        print(f"{source.parent.parent.name}: {shares(catalogue)}")  # noqa: T201
        for text in missing(catalogue):
            print(f"  not translated: {text}")  # noqa: T201
