"""The shared examples of the language."""

import json
from pathlib import Path

EXAMPLES = json.loads(Path(__file__).with_name("data").joinpath("examples.json").read_text("utf-8"))
ACCEPTED = [
    *(example["sql"] for example in EXAMPLES["accept"]),
    *(example["sql"] for example in EXAMPLES["reject"] if "later" in example),
]
REFUSED = [example["sql"] for example in EXAMPLES["reject"] if "later" not in example]
