"""Document → chunks: pure, exact, and fast, because a document is tokenised once.

    structure   markdown.py restructured.py code.py   where sections, code blocks and tables lie → Outline
    sections    grouping.py                           sections that fit stay whole, tiny ones are joined
    cuts        cutting.py                            what is still too long is cut where it hurts least
    chunks      splitter.py                           places: lines, page, heading path; or the whole as one

Lengths are counted with `measure.py` from one pass of the embedder's tokenizer over the whole document.
"""

from vai.chunking.splitter import CHUNKING_VERSION, split, whole

__all__ = ["CHUNKING_VERSION", "split", "whole"]
