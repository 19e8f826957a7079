"""Exit code 0 if the address given answers well. Images are small: they hold no curl or wget."""

import sys
from urllib.request import urlopen

ANSWERS_WITHIN_S = 5

try:
    with urlopen(sys.argv[1], timeout=ANSWERS_WITHIN_S) as answer:
        sys.exit(answer.status != 200)
except OSError as error:
    sys.exit(f"{sys.argv[1]}: {error}")
