"""`python -m engine.multiview`: see `engine.multiview.reconstruction`."""

import sys

from engine.errors import EngineError
from engine.multiview.reconstruction import main

if __name__ == "__main__":
    try:
        main()
    except EngineError as error:
        sys.exit(str(error))
