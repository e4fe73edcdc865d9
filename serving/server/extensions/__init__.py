"""What TensorFlow Serving has not: one file each, off unless a flag `--ext_…` asks for it.

    tokens.py        who may call: bearer tokens from a file
    limits.py        how often a client may call
    request_log.py   a JSON line for each request, without its texts
    notes.py         what is noted of the call under way, for that line
    gate.py          these before every call, over gRPC and REST
    token_budget.py  batches by tokens and length, not by rows alone
    status_page.py   models, versions, latencies and queues as a page for people; status_html.py how it looks

With all of them off the transports and the batches do not come here.
"""
