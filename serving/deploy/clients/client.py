"""python client.py HOST:PORT MODEL TEXT…   needs: pip install 'bert-keras[serving]'"""

import json
import sys

from serving.client import Client

target, model, *texts = sys.argv[1:]
with Client(target, model) as client:
    answer = client.predict(texts)
for label, score in zip(answer["label"], answer["score"]):
    print(json.dumps({"label": label, "score": float(score)}))
