"""Writes genai_names.jsonl: which model a name means by the rules of genai-prices, read with Python's own `re`.

Usage: python3 genai_names.py genai-prices-0.2.3.json > genai_names.jsonl

Each line is [provider or null, name, [provider, model] or null]. The names are a sample of those of the table, the
texts in its rules, and all of these with endings that vendors use.
"""

import json
import random
import re
import sys

ENDINGS = ["", "-20260101", "-2026-01-01", "@20260101", "-preview", "-preview-tts", "-latest", "-v1:0", "0", "x"]
FOUND, NOT_FOUND = 1200, 300


def matches(clause, name):
    ((kind, value),) = clause.items()
    match kind:
        case "or":
            return any(matches(one, name) for one in value)
        case "and":
            return all(matches(one, name) for one in value)
        case "equals":
            return name == value.lower()
        case "starts_with":
            return name.startswith(value.lower())
        case "ends_with":
            return name.endswith(value.lower())
        case "contains":
            return value.lower() in name
        case "regex":
            return re.search(value, name) is not None


def texts(clause):
    for kind, value in clause.items():
        if kind in ("or", "and"):
            for one in value:
                yield from texts(one)
        elif kind != "regex":
            yield value
        else:
            plain = re.sub(r"\(\?![^$]*\$\|-\)\)", "", value).strip("^$")
            yield plain.replace("\\.", ".").replace("\\d{8}", "20261120").replace("\\d{4}", "2026").replace("\\d{2}", "11").replace("\\d", "1")


def find(providers, provider, name):
    name = name.lower()
    by_id = {one["id"]: one for one in providers}
    if provider is None:
        provider = next((one for one in providers if "model_match" in one and matches(one["model_match"], name)), None)
    elif provider in by_id:
        provider = by_id[provider]
    else:
        rules = (one for one in providers if "provider_match" in one and matches(one["provider_match"], provider))
        provider = next(rules, None)
    if provider is None:
        return None
    for one in [provider] + [by_id[other] for other in provider.get("fallback_model_providers", [])]:
        for model in one["models"]:
            if matches(model["match"], name):
                return [one["id"], model["id"]] if model["prices"] else None
    return None


def main():
    providers = json.load(open(sys.argv[1]))
    random.seed(4)
    probes = set()
    for provider in providers:
        for model in provider["models"]:
            for text in [model["id"], *texts(model["match"])]:
                for ending in ENDINGS:
                    probes.add((provider["id"], text + ending))
                    probes.add((None, text + ending))
    probes |= {(name, model) for name in ["vertex_ai", "google-gla", "bedrock", "azure", "xai", "together_ai"] for _, model in random.sample(sorted(probes, key=str), 40)}
    found, not_found = [], []
    for provider, name in sorted(probes, key=str):
        row = find(providers, provider, name)
        (found if row else not_found).append([provider, name, row])
    for probe in random.sample(found, FOUND) + random.sample(not_found, NOT_FOUND):
        print(json.dumps(probe))


main()
