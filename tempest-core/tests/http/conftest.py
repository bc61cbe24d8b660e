import sys
from pathlib import Path

# The helpers beside the tests; importlib mode puts no folder on the path by itself.
sys.path.insert(0, str(Path(__file__).parent))
