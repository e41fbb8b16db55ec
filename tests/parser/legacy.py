"""
The language of ChromaSQL 1.8.0: statements in it, each with its meaning in plain data.

The meaning is what the one who wrote the statement meant, clause for clause, as lists and dicts: it is made along
with the text, not by parsing it. `meaning` describes a tree in the same way.
"""

from hypothesis import strategies as st

from chromasql import ast

# Strategies: each gives pairs of a text and its meaning.

identifiers = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,5}", fullmatch=True) | st.sampled_from(
    ["order", "limit", "WHERE", "text", "Group", "knn", "select", "by", "score", "id"]
)
spaces = st.sampled_from([" ", "  ", "\n", "\t", "\r\n "])


def keyword(text):
    return st.sampled_from([text, text.lower(), text.title()])


@st.composite
def spelled(draw, *parts):
    """Join words and pairs by white space; the meaning is the list of the pairs' meanings."""
    words, meanings = [], []
    for part in parts:
        drawn = draw(keyword(part)) if isinstance(part, str) else draw(part)
        if isinstance(drawn, str):
            words.append(drawn)
        else:
            words.append(drawn[0])
            meanings.append(drawn[1])
    return "".join(word + draw(spaces) for word in words), meanings


def mean(strategy, make):
    return strategy.map(lambda pair: (pair[0], make(*pair[1])))


@st.composite
def strings(draw):
    """A string in either quote, as Python would write it."""
    text = draw(
        st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=6)
        | st.sampled_from(["it's", '"', "\\", "a\nb", "%x_%", "\\d+", "\b", ";", "--", "/*"])
    )
    quote = draw(st.sampled_from("'\""))
    escapes = {"\\": "\\\\", quote: f"\\{quote}", "\n": "\\n", "\r": "\\r", "\0": "\\x00"}
    odd = draw(st.booleans())
    return quote + "".join(
        escapes.get(each) or (f"\\u{ord(each):04x}" if odd and 0x7F < ord(each) < 0x10000 else each) for each in text
    ) + quote, text


integers = st.integers(-(10**12), 10**12).map(lambda number: (str(number), number)) | st.integers(0, 99).map(
    lambda number: (f"+{number:03}", number)
)
floats = st.floats(allow_nan=False, allow_infinity=False).map(lambda number: (repr(number), number)) | st.sampled_from(
    [("1.", 1.0), (".5", 0.5), ("-.5", -0.5), ("1e3", 1000.0), ("+1E-3", 0.001)]
)
numbers = integers | floats
constants = st.sampled_from([("TRUE", True), ("false", False), ("Null", None)])
values = strings() | numbers | constants


@st.composite
def listed(draw, items, smallest=1):
    pairs = draw(st.lists(items, min_size=smallest, max_size=3))
    comma = draw(st.sampled_from([",", ", ", " ,\n"]))
    return comma.join(text for text, _ in pairs), [meaning for _, meaning in pairs]


@st.composite
def metadata_paths(draw):
    path = draw(st.lists(identifiers, min_size=1, max_size=3))
    return f"{draw(keyword('metadata'))}.{'.'.join(path)}", ["metadata", *path]


def columns(*roots):
    return st.sampled_from(roots).flatmap(lambda root: keyword(root).map(lambda text: (text, [root])))


def embeddings():
    text = mean(spelled("TEXT", strings()), lambda text: ["text", text, None])
    model = mean(spelled("TEXT", strings(), "MODEL", strings()), lambda text, model: ["text", text, model])
    vector = mean(spelled("VECTOR", st.just("["), listed(numbers), st.just("]")), lambda numbers: ["vector", numbers])
    return text | model | vector


def joined(operator, parts):
    flat = []
    for part in parts:
        flat += part[1:] if part[0] == operator else [part]
    return [operator, *flat]


@st.composite
def combined(draw, tests, depth=2):
    """AND, OR and brackets; the meaning knows that AND binds first, and takes apart what is joined alike."""
    alternatives = []
    for _ in range(draw(st.integers(1, 2))):
        conjuncts = []
        for _ in range(draw(st.integers(1, 2))):
            if depth and draw(st.booleans()) and draw(st.booleans()):
                text, meaning = draw(combined(tests, depth - 1))
                conjuncts.append((f"({text})", meaning))
            else:
                conjuncts.append(draw(tests))
        text = f" {draw(keyword('AND'))} ".join(text for text, _ in conjuncts)
        parts = [meaning for _, meaning in conjuncts]
        alternatives.append((text, parts[0] if len(parts) == 1 else joined("AND", parts)))
    text = f" {draw(keyword('OR'))} ".join(text for text, _ in alternatives)
    parts = [meaning for _, meaning in alternatives]
    return text, parts[0] if len(parts) == 1 else joined("OR", parts)


def tests_of(field):
    """What 1.8.0 can say of a document or another field, plainly and with NOT."""
    return st.one_of(
        mean(spelled(field, "LIKE", strings()), lambda field, value: ["LIKE", field, value]),
        mean(spelled(field, "REGEX", strings()), lambda field, value: ["REGEX", field, value]),
        mean(spelled(field, "CONTAINS", values), lambda field, value: ["CONTAINS", field, value]),
        mean(spelled(field, "NOT", "LIKE", strings()), lambda field, value: ["NOT LIKE", field, value]),
        mean(spelled(field, "NOT", "REGEX", strings()), lambda field, value: ["NOT REGEX", field, value]),
        mean(spelled(field, "NOT", "CONTAINS", values), lambda field, value: ["NOT CONTAINS", field, value]),
    )


def conditions():
    field = columns("id", "document") | metadata_paths()
    comparison = st.sampled_from(["=", "!=", "<", "<=", ">", ">="]).map(lambda sign: (sign, sign))
    members = listed(values)
    return combined(
        st.one_of(
            mean(spelled(field, comparison, values), lambda field, sign, value: [sign, field, value]),
            mean(spelled(field, "IN", st.just("("), members, st.just(")")), lambda field, items: ["IN", field, items]),
            mean(
                spelled(field, "NOT", "IN", st.just("("), members, st.just(")")),
                lambda field, items: ["NOT IN", field, items],
            ),
            mean(
                spelled(field, "BETWEEN", values, "AND", values),
                lambda field, low, high: ["BETWEEN", field, low, high],
            ),
            tests_of(field),
        )
    )


document_conditions = combined(tests_of(columns("document")) | tests_of(st.just(("", ["document"]))))


@st.composite
def statements(draw):
    """A whole statement of 1.8.0, its clauses in the order that 1.8.0 wants."""
    words, meaning = [], {}

    def add(pair, key=None):
        words.append(pair[0])
        if key is not None:
            meaning[key] = pair[1]

    def maybe(key, strategy):
        if draw(st.booleans()):
            add(draw(strategy), key)

    def alias():
        return mean(spelled("AS", identifiers.map(lambda name: (name, name))), lambda name: name)

    selectable = columns("id", "document", "embedding", "metadata", "distance") | metadata_paths()
    item = mean(spelled(selectable), lambda field: [field, None]) | mean(
        spelled(selectable, alias()), lambda field, name: [field, name]
    )
    one = mean(spelled("USING", "EMBEDDING", st.just("("), embeddings(), st.just(")")), lambda one: one)
    batch = mean(
        spelled("USING", "EMBEDDING", "BATCH", st.just("("), listed(embeddings()), st.just(")")),
        lambda items: ["batch", items],
    )
    sortable = columns("distance", "id") | metadata_paths()
    order_item = mean(spelled(sortable), lambda field: [field, "ASC"]) | mean(
        spelled(sortable, st.sampled_from(["ASC", "DESC"]).flatmap(lambda w: keyword(w).map(lambda text: (text, w)))),
        lambda field, direction: [field, direction],
    )
    options = st.lists(
        st.tuples(st.sampled_from(["lambda", "candidates", "k"]), numbers),
        min_size=1,
        max_size=3,
        unique_by=lambda o: o[0],
    ).map(
        lambda pairs: (
            ", ".join(f"{name} = {number[0]}" for name, number in pairs),
            {name: number[1] for name, number in pairs},
        )
    )
    if draw(st.booleans()):
        add((draw(keyword("EXPLAIN")), True), "explain")
    words.append(draw(keyword("SELECT")))
    add(draw(st.just(("*", "*")) | listed(item)), "select")
    words.append(draw(keyword("FROM")))
    add(draw(identifiers.map(lambda name: (name, name))), "collection")
    maybe("alias", alias())
    maybe("embedding", one | batch)
    maybe("where", mean(spelled("WHERE", conditions()), lambda condition: condition))
    maybe("where_document", mean(spelled("WHERE_DOCUMENT", document_conditions), lambda condition: condition))
    space = st.sampled_from(["COSINE", "L2", "IP"]).flatmap(lambda name: keyword(name).map(lambda text: (text, name)))
    maybe("similarity", mean(spelled("SIMILARITY", space), lambda name: name))
    maybe("topk", mean(spelled("TOPK", integers), lambda number: number))
    maybe("order", mean(spelled("ORDER", "BY", listed(order_item)), lambda items: items))
    maybe(
        "rerank",
        mean(spelled("RERANK", "BY", "MMR"), dict)
        | mean(spelled("RERANK", "BY", "MMR", st.just("("), options, st.just(")")), lambda options: options),
    )
    maybe("limit", mean(spelled("LIMIT", integers), lambda number: number))
    maybe("offset", mean(spelled("OFFSET", integers), lambda number: number))
    maybe("threshold", mean(spelled("WITH", "SCORE", "THRESHOLD", numbers), lambda number: number))
    if draw(st.booleans()):
        words.append(";")
    return draw(spaces).join(words), meaning


# The meaning of a tree


def meaning(query):
    """Describe a query of the 1.8.0 language in plain data; a clause that is absent has no entry."""
    found = {
        "explain": query.explain == "PLAN" or None,
        "select": "*"
        if query.projection.select_all
        else [[field_of(i.operand), i.alias] for i in query.projection.items],
        "collection": query.collection,
        "alias": query.sources[0].alias,
        "embedding": query.embedding and embedding_of(query.embedding),
        "where": query.where and predicate_of(query.where),
        "where_document": query.where_document and predicate_of(query.where_document),
        "similarity": query.similarity,
        "topk": query.topk and query.topk.value,
        "order": [[field_of(item.operand), item.direction] for item in query.order_by] or None,
        "rerank": query.rerank and {each.name: each.value.value for each in query.rerank.arguments},
        "limit": query.limit and query.limit.value,
        "offset": query.offset and query.offset.value,
        "threshold": query.score_threshold and query.score_threshold.value,
    }
    return {name: value for name, value in found.items() if value is not None}


def field_of(field):
    return [field.root, *field.path]


def embedding_of(embedding):
    match embedding:
        case ast.EmbeddingBatch(items=items):
            return ["batch", [embedding_of(item) for item in items]]
        case ast.EmbeddingText(text=text, model=model):
            return ["text", text.value, model and model.value]
        case ast.EmbeddingVector(values=values):
            return ["vector", [item.value for item in values.items]]


def predicate_of(predicate):
    match predicate:
        case ast.BooleanPredicate(operator=operator, predicates=parts):
            return [operator, *map(predicate_of, parts)]
        case ast.ComparisonPredicate(operator=operator, value=value):
            return [operator, field_of(predicate.operand), value.value]
        case ast.InPredicate(values=values):
            return [negated("IN", predicate), field_of(predicate.operand), [item.value for item in values.items]]
        case ast.BetweenPredicate(low=low, high=high):
            return ["BETWEEN", field_of(predicate.operand), low.value, high.value]
        case ast.LikePredicate(pattern=value):
            return [negated("LIKE", predicate), field_of(predicate.operand), value.value]
        case ast.RegexPredicate(pattern=value):
            return [negated("REGEX", predicate), field_of(predicate.operand), value.value]
        case ast.ContainsPredicate(value=value):
            return [negated("CONTAINS", predicate), field_of(predicate.operand), value.value]


def negated(operator, predicate):
    return f"NOT {operator}" if predicate.negated else operator
