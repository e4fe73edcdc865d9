#!/bin/sh
# client.sh HOST:REST_PORT MODEL TEXT   needs: curl, jq
target=$1 model=$2 text=$3
# jq writes the text as JSON, whatever quotes and line ends are in it.
jq -n --arg text "$text" '{instances: [$text]}' |
  curl --fail-with-body --silent --show-error --max-time 10 --data @- "http://$target/v1/models/$model:predict" |
  jq -c '.predictions[] | {"label": .label, "score": .score}'
