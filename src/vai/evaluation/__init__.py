"""What the two stages are worth on a user's own data, measured on questions of which the answers are known.

`bench.py` → `pools.py` → `readings.py` → `replay.py`: questions are asked once, and from that follow the hits of any
configuration. Which module does what is in docs/architecture.md.
"""

from vai.evaluation.comparing.comparing import compare
from vai.evaluation.data.corpora import PreparedCorpus, prepare_corpus
from vai.evaluation.data.testsets import TestSet, read_test_set
from vai.evaluation.data.trec import Run, read_run, write_run
from vai.evaluation.evaluating.evaluating import evaluate
from vai.evaluation.evaluating.reporting import EvalReport
from vai.evaluation.measures.metrics import Metric
from vai.evaluation.replaying.specs import parse_spec
from vai.evaluation.tuning.tuning import TuneReport, tune

__all__ = [
    "EvalReport",
    "Metric",
    "PreparedCorpus",
    "Run",
    "TestSet",
    "TuneReport",
    "compare",
    "evaluate",
    "parse_spec",
    "prepare_corpus",
    "read_run",
    "read_test_set",
    "tune",
    "write_run",
]
