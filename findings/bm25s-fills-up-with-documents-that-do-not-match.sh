#!/usr/bin/env bash
# bm25s returns k documents for a word that is in none.
#
# Versions: bm25s 0.3.16
# Behaviour: retrieve(.., k=2) for an unknown word returns two documents with the score 0; where one matches, the rest is filled up alike.
# Seen (2026-11-27):
#   rain (1, 2) 1
#   fog (1, 2) 2
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet bm25s==0.3.16
cd "$folder"
seen=$("$folder/venv/bin/python" - <<'PY'
import bm25s

index = bm25s.BM25()
index.index(bm25s.tokenize(["rain in spring", "sun in summer", "snow in winter"], show_progress=False), show_progress=False)
for word in ("rain", "fog"):
    _, scores = index.retrieve(bm25s.tokenize(word, show_progress=False), k=2, show_progress=False)
    print(word, scores.shape, int((scores == 0).sum()))
PY
)
echo "$seen"
expected='rain (1, 2) 1
fog (1, 2) 2'
if [[ $seen != "$expected" ]]; then
    echo "This has changed; expected:" >&2
    echo "$expected" >&2
    exit 1
fi
