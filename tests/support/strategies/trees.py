"""
Hypothesis strategies for whole statements, as the parser would build them.

Normal form is: AND within AND is one node, a name is bare only where it means a metadata key, a sign before a number
is a part of the number, and so on. Two trees are the same when `exact` says so: ``1``, ``1.0`` and
``TRUE`` are equal in Python but not in a statement.
"""

from hypothesis import strategies as st

from chromasql import ast
from chromasql.grammar import keywords

NAME = r"[A-Za-z_][A-Za-z0-9_]{0,6}"
SOURCE = r"[A-Za-z0-9_*]{1,4}([.\-][A-Za-z0-9_*]{1,4}){0,2}"
DOCUMENT = ast.Field("document")


def exact(tree):
    """Return a text that two trees share only if they agree in all but spans, down to the types of values."""
    return repr(tree)


def cased(word):
    return st.sampled_from([word, word.lower(), word.title()])


words = st.sampled_from([*sorted(keywords()), *ast.SYSTEM_COLUMNS, "AVG", "TOP", "JOIN", "r"]).flatmap(cased)
plain_names = st.from_regex(NAME, fullmatch=True) | words
names = (
    plain_names | st.text(min_size=1, max_size=5) | st.sampled_from(["a.b", "`", "a`b", "''", "\n", "é", "0", "x y"])
)

parameters = st.builds(ast.Parameter, st.from_regex(NAME, fullmatch=True) | st.integers(1, 99))
strings = st.builds(
    ast.Literal,
    st.text(max_size=8)
    | st.sampled_from(
        ["'", '"', "\\", "\\'", "\0", "\n\r\t", "\x7f\x85\u2028", "\\n", "r'x'", "--", "/*", ":p", "\U0001f600"]
    ),
)
integers = st.builds(ast.Literal, st.integers() | st.sampled_from([0, 10**30, -1]))
floats = st.builds(
    ast.Literal, st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([-0.0, 1e300, 1e-7, 5e-324, 1.0])
)
numbers = integers | floats
values = strings | numbers | st.builds(ast.Literal, st.sampled_from([True, False, None])) | parameters
texts = strings | parameters
counts = integers | parameters
positive_counts = st.builds(ast.Literal, st.integers(1, 10**6)) | parameters
not_negative = st.builds(ast.Literal, st.integers(0) | st.floats(0, allow_nan=False, allow_infinity=False)) | parameters
positive = st.builds(ast.Literal, st.integers(1) | st.floats(5e-324, allow_infinity=False)) | parameters
shares = st.builds(ast.Literal, st.integers(0, 1) | st.floats(0, 1)) | parameters
flags = st.builds(ast.Literal, st.booleans()) | parameters
bounds = numbers | parameters


def maybe(strategy):
    return st.none() | strategy


def tuples_of(items, smallest=1, largest=3):
    return st.lists(items, min_size=smallest, max_size=largest).map(tuple)


arrays = st.builds(ast.Array, tuples_of(values))
vectors = st.builds(ast.Array, tuples_of(numbers | parameters))
sparse_vectors = st.builds(ast.SparseVector, tuples_of(st.tuples(st.integers(0, 10**6), numbers | parameters)))


def is_key(path):
    """Whether a bare path means a metadata key."""
    head = path[0].lower()
    return head != "metadata" and not (head in ast.SYSTEM_COLUMNS and len(path) == 1)


def fields(sources=()):
    """Columns of a statement over these sources, some of them qualified by an alias."""
    called = {source.alias or source.name for source in sources}
    keys = tuples_of(names).filter(is_key)
    bare = keys.filter(lambda path: len(path) == 1 or path[0] not in called)
    choices = [
        st.sampled_from(ast.SYSTEM_COLUMNS).map(ast.Field),
        bare.map(lambda path: ast.Field("metadata", path, bare=True)),
        tuples_of(names).map(lambda path: ast.Field("metadata", path)),
    ]
    qualifier = next(iter(called), None)
    if len(called) == 1 and isinstance(qualifier, str) and qualifier.lower() != "metadata":
        choices += [
            st.sampled_from(ast.SYSTEM_COLUMNS).map(lambda root: ast.Field(root, qualifier=qualifier)),
            keys.map(lambda path: ast.Field("metadata", path, bare=True, qualifier=qualifier)),
            tuples_of(names).map(lambda path: ast.Field("metadata", path, qualifier=qualifier)),
        ]
    return st.one_of(choices)


plain_sources = st.from_regex(SOURCE, fullmatch=True)
source_names = (
    st.builds(ast.Source, plain_sources)
    | st.builds(ast.Source, names, quoted=st.just(True))
    | st.builds(ast.Source, parameters)
)
sources = st.builds(
    lambda source, alias: ast.Source(source.name, alias, source.quoted), source_names, st.none() | names
)


# Predicates


def text_tests(operands, patterns=texts, contained=values):
    return st.one_of(
        st.builds(ast.LikePredicate, operands, patterns, st.booleans(), st.booleans(), maybe(texts)),
        st.builds(ast.RegexPredicate, operands, patterns, st.booleans()),
        st.builds(ast.ContainsPredicate, operands, contained, st.booleans()),
        st.builds(
            ast.ContainsPredicate,
            operands,
            st.builds(ast.Array, tuples_of(contained)) | parameters,
            st.booleans(),
            st.sampled_from(["ANY", "ALL"]),
        ),
    )


def joined(operator, parts):
    """Join predicates as the parser does: what the operator joins already is taken apart."""
    flat = []
    for part in parts:
        same = isinstance(part, ast.BooleanPredicate) and part.operator == operator
        flat += part.predicates if same else [part]
    return ast.BooleanPredicate(operator, tuple(flat))


def combined(leaves, negated=ast.NotPredicate):
    return st.recursive(
        leaves,
        lambda inner: (
            inner.map(negated)
            | st.builds(joined, st.sampled_from(["AND", "OR"]), st.lists(inner, min_size=2, max_size=3))
        ),
        max_leaves=6,
    )


def tests(inner, scalars):
    """Tests of expressions against expressions; no pattern is a literal other than a text."""
    patterns = texts | inner.filter(lambda node: not isinstance(node, ast.Literal))
    lists = st.builds(ast.Array, tuples_of(scalars)) | parameters
    comparisons = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
    return st.one_of(
        st.builds(ast.ComparisonPredicate, inner, comparisons, scalars),
        st.builds(ast.ComparisonPredicate, inner, comparisons, inner, st.sampled_from(["ANY", "ALL"])),
        st.builds(ast.InPredicate, inner, lists, st.booleans()),
        st.builds(ast.BetweenPredicate, inner, scalars, scalars, st.booleans()),
        st.builds(ast.IsNullPredicate, inner, st.booleans()),
        st.builds(ast.IsTruthPredicate, inner, st.booleans(), st.booleans()),
        st.builds(ast.IsDistinctPredicate, inner, scalars, st.booleans()),
        text_tests(inner, patterns, scalars),
    )


def signed(operator, operand):
    """Put a sign before an expression as the parser does: before a number it is a part of it."""
    if isinstance(operand, ast.Literal) and ast.is_number(operand.value):
        return ast.Literal(-operand.value if operator == "-" else operand.value)
    return ast.Unary(operator, operand)


def expressions(fields, searches=None):
    """Expressions of any kind; with ``searches``, those too."""
    aggregates = st.sampled_from(ast.AGGREGATES)
    leaves = values | fields | st.just(ast.Total()) | st.just(ast.Aggregate("COUNT", None))
    leaves |= st.builds(ast.TypedLiteral, st.sampled_from(["DATE", "INTERVAL", "TIMESTAMP"]), st.text(max_size=5))
    elements = st.builds(ast.Element, fields, st.builds(ast.Literal, st.integers(1, 5)) | fields | parameters)
    leaves |= elements | st.builds(ast.Element, elements, parameters)
    if searches is not None:
        leaves |= searches

    def larger(inner):
        not_literal = inner.filter(lambda node: not isinstance(node, ast.Literal))
        functions = st.sampled_from(["ABS", "COALESCE", "DATE_PART", "LEFT", "NOSUCH", "REPLACE", "SIMILARITY"])
        types = st.sampled_from(["BOOLEAN", "DATE", "DOUBLE", "INTEGER", "TEXT", "TIMESTAMP"])
        branches = tuples_of(st.builds(ast.When, inner, inner))
        choices = [
            st.builds(signed, st.sampled_from("+-"), inner),
            st.builds(ast.Binary, st.sampled_from(["+", "-", "*", "/", "%", "||"]), inner, inner),
            st.builds(ast.Call, functions, tuples_of(inner, 0)),
            st.builds(ast.Call, st.sampled_from(["MAX", "MIN"]), tuples_of(inner, 2)),
            st.builds(ast.Case, branches, maybe(inner), maybe(inner)),
            st.builds(ast.Cast, inner, types, st.booleans()),
            st.builds(ast.Aggregate, aggregates, not_literal, st.booleans(), where=maybe(inner)),
            st.builds(
                ast.Aggregate, st.sampled_from(["COUNT", "STRING_AGG"]), not_literal, others=tuples_of(inner, 1, 2)
            ),
            inner.map(ast.NotPredicate),
            st.builds(joined, st.sampled_from(["AND", "OR"]), st.lists(inner, min_size=2, max_size=3)),
            tests(inner, inner),
        ]
        if searches is not None:
            choices.append(rrfs(inner))
        return st.one_of(choices)

    return st.recursive(leaves, larger, max_leaves=6)


def negated_document(predicate):
    """Negate a predicate of WHERE_DOCUMENT as the parser does."""
    test = isinstance(predicate, ast.LikePredicate | ast.RegexPredicate | ast.ContainsPredicate)
    if not test or predicate.negated:
        return ast.NotPredicate(predicate)
    match predicate:
        case ast.LikePredicate():
            return ast.LikePredicate(
                DOCUMENT, predicate.pattern, negated=True, ignore_case=predicate.ignore_case, escape=predicate.escape
            )
        case ast.RegexPredicate():
            return ast.RegexPredicate(DOCUMENT, predicate.pattern, negated=True)
    return ast.ContainsPredicate(DOCUMENT, predicate.value, negated=True, quantifier=predicate.quantifier)


document_predicates = combined(text_tests(st.just(DOCUMENT)), negated_document)


# Ranking

embedding_texts = st.builds(ast.EmbeddingText, texts, st.none() | texts)
embeddings = embedding_texts | st.builds(ast.EmbeddingVector, vectors | sparse_vectors | parameters)


@st.composite
def rrfs(draw, ranks):
    inner = draw(tuples_of(ranks))
    weights = st.builds(ast.Array, tuples_of(not_negative, len(inner), len(inner))) | parameters
    slots = {"k": positive, "normalize": flags, "default": bounds, "require_all": flags}
    options = {name: draw(maybe(values)) for name, values in slots.items()}
    return ast.Rrf(inner, weights=draw(maybe(weights)), **options)


def rank_expressions(fields):
    """Expressions with searches among them."""
    searches = st.one_of(
        st.builds(
            ast.Knn,
            embeddings | parameters,
            key=maybe(fields | texts),
            limit=maybe(positive_counts),
            default=maybe(bounds),
            return_rank=maybe(flags),
        ),
        st.builds(
            ast.Bm25,
            texts,
            limit=maybe(positive_counts),
            default=maybe(bounds),
            return_rank=maybe(flags),
            k1=maybe(not_negative),
            b=maybe(shares),
            statistics=maybe(parameters | st.sampled_from(["ALL", "all"]).map(ast.Literal)),
        ),
    )
    return expressions(fields, searches)


# Fields that mean the same whatever the collections of a statement are called.
plain_fields = (
    st.sampled_from(ast.SYSTEM_COLUMNS).map(ast.Field)
    | names.filter(lambda name: is_key((name,))).map(lambda name: ast.Field("metadata", (name,), bare=True))
    | tuples_of(names).map(lambda path: ast.Field("metadata", path))
)
any_expression = expressions(plain_fields)
any_rank = rank_expressions(plain_fields)


# Statements


@st.composite
def arguments(draw, smallest):
    named = draw(
        st.lists(
            st.tuples(plain_names.map(str.lower), values | arrays | st.just(ast.Array(())) | sparse_vectors),
            min_size=smallest,
            max_size=3,
            unique_by=lambda pair: pair[0],
        )
    )
    return tuple(ast.Argument(name, value) for name, value in named)


@st.composite
def queries(draw):
    """SELECT statements with any set of clauses."""
    sources_ = draw(tuples_of(sources))
    columns = fields(sources_)
    operand = columns | any_expression
    replaced = tuples_of(st.builds(ast.ProjectionItem, operand, names), 0, 2)
    stars = st.builds(ast.Star, tuples_of(columns, 0), replaced)
    items = tuples_of(stars | st.builds(ast.ProjectionItem, operand, maybe(names)))
    order = tuples_of(
        st.builds(ast.OrderItem, operand, st.sampled_from(["ASC", "DESC"]), st.sampled_from([None, "FIRST", "LAST"]))
    )
    keep = st.builds(ast.Keep, positive_counts, st.just(()) | order)
    batch = st.builds(ast.EmbeddingBatch, tuples_of(embeddings))
    ranking = draw(
        st.sampled_from([{}])
        | st.fixed_dictionaries({"embedding": embeddings | batch})
        | st.fixed_dictionaries({"rank": any_rank})
    )
    rerank = st.builds(ast.Rerank, plain_names.map(str.upper), arguments(0))
    return ast.Query(
        draw(st.builds(ast.Projection, items, st.booleans())),
        sources_,
        excluded=draw(st.just(()) | tuples_of(source_names)),
        where=draw(maybe(operand)),
        where_document=draw(maybe(document_predicates)),
        similarity=draw(st.sampled_from([None, "COSINE", "L2", "IP"])),
        topk=draw(maybe(counts)),
        group_by=draw(maybe(st.builds(ast.GroupBy, tuples_of(operand), maybe(keep)))),
        having=draw(maybe(operand)),
        order_by=draw(st.just(()) | order),
        rerank=draw(maybe(rerank)),
        limit=draw(maybe(counts | st.builds(ast.Binary, st.sampled_from("+*"), counts, parameters))),
        offset=draw(maybe(counts)),
        score_threshold=draw(maybe(bounds)),
        options=draw(st.just(()) | arguments(1)),
        explain=draw(st.sampled_from([None, "PLAN", "ANALYZE"])),
        **ranking,
    )


statements = st.one_of(
    queries(),
    st.builds(ast.ShowCollections, maybe(texts), maybe(counts), maybe(counts)),
    st.builds(ast.Describe, source_names.filter(lambda source: not source.is_pattern)),
)
scripts = tuples_of(statements)
