"""The batch runner itself."""

from pathlib import Path

from tests.conftest import RunNode


def test_verdicts_come_in_the_order_of_the_cases(run_node: RunNode) -> None:
    verdicts = run_node(Path(__file__).parent / "syntax_did.mjs", ["did:plc:abc", "did:", "did:web:example.com"])
    assert ["error" in verdict for verdict in verdicts] == [False, True, False]
