#!/usr/bin/env python3
"""Writes the expectations that the tokenizer's tests read. Needs `gguf` and `tokenizers`.

    make_tokenizer_goldens.py words > src/model/tokenizer/testdata/words.txt
        pre-token boundaries by PyPI tokenizers with each family's exact expression
    make_tokenizer_goldens.py tokens MODEL.gguf > golden/tokenizer/NAME.txt
        tokens by PyPI tokenizers over the file's own tables (byte-level vocabularies)
    make_tokenizer_goldens.py tokens MODEL.gguf --json tokenizer.json > golden/tokenizer/NAME.txt
    make_tokenizer_goldens.py unigram|wordpiece > golden/tokenizer/unigram.txt
        a small vocabulary trained on this project's own pages, and its tokens by PyPI sentencepiece
        or tokenizers. Lines: "T type score token", "C character map", "X text ids", texts in hexadecimal
    make_tokenizer_goldens.py unigram_json golden/tokenizer/unigram.txt > golden/tokenizer/unigram_json.txt
        the same vocabulary through PyPI tokenizers, as transformers converts it: style, text, ids

Each line: rules (words only), the text in hexadecimal, lengths or ids.
"""

import random
import sys

import tokenizer_diff as diff

HARD = ["", " ", "  ", "\n", " \n", "\n ", "\n\n  a", "a \n b", "a  b", "a   b", "\t\ta", " \ta", "\r\n", "\r\n\r\n x",
        "don't", "DON'T", "don'T", "'s", "'S", "'ſ", "'ſx", "''s", "'re're", "'lLx", "x'", "'", " 's", "'ve1",
        "1", "12", "123", "1234", "1234567890123", " 123", "a1b2", "1,000.5", "٣٤٥٦", "१२३४", "½²Ⅷ", "x²",
        "!!!", " !!!", "!!!\n\n", "!\r\na", "?! \n", "...a", "a...", " -a", "--a", "\u00a0a", "\u00a0\u00a0a", "\u3000\u3000",
        "a\u3000b", "\u2028\u2028x", "\u0085x", "e\u0301", "e\u0301\u0301a", "\u0301a", "a\u0301 \u0301b", "नमस्ते", "สวัสดี",
        "👩‍👩‍👧‍👦", " 👍🏽!", "🏳️‍🌈x", "שלום עולם", "مرحبا ١٢", "\u200d\u200d", "\ufeffa", "\x00a", "a\x00", "\x7f\x1b[0m",
        "Ελλάδα", "ǅ", "ﬁx", "日本語テキスト", "한국어", "\U00020000\U0001f600", "\U000e0001", "\ud7ff\ue000", "\U0010ffff",
        "if (x == 1) {\n    return \"a\";\n}\n", "https://a.b/c?d=1&e=%20#f", "a_b-c.d", "snake_case CamelCase",
        " " * 40 + "x", "\n" * 40, "\t" * 35 + "y", "a" * 300, "=" * 300, "1" * 50, " \u3000 \t x"]


def hexed(text):
    return text.encode().hex() or "-"


def texts(count, seed):
    rng = random.Random(seed)
    return HARD + [diff.make_text(rng) for _ in range(count)]


def words():
    plain, mapped = diff.rules()
    for name, rule in {**plain, **mapped}.items():
        for text in texts(160, 7):
            pieces = [w for w, _ in rule.pre_tokenize_str(text)]
            in_bytes = name in mapped  # a character of the byte-level alphabet is a byte
            assert in_bytes or "".join(pieces) == text
            lengths = [len(p if in_bytes else p.encode()) for p in pieces]
            print(name, hexed(text), ",".join(map(str, lengths)) or "-")


def tokens(model, json):
    vocabulary = diff.read_gguf(model)
    if json:
        from tokenizers import Tokenizer
        oracle = Tokenizer.from_file(json)
        oracle.encode_special_tokens = True
    else:
        oracle = diff.build_tokenizers(vocabulary)
    for text in texts(200, 11):
        if any(ord(c) in diff.UNICODE_17_NUMBERS for c in text):
            continue
        print(hexed(text), ",".join(map(str, oracle.encode(text, add_special_tokens=False).ids)) or "-")


def own_pages():
    """Sentences of our own to train on, and a few in other scripts so that their letters are known."""
    lines = []
    for page in ("README.md", "docs/ARCHITECTURE.md", "CONTRIBUTING.md"):
        with open(page, encoding="utf-8") as file:
            lines += [line.strip() for line in file if line.strip()]
    return lines + ["Привет, мир.", "Καλημέρα κόσμε.", "こんにちは世界", "안녕 세계", "naïve Zürich"] * 3


def small_texts():
    return [t for t in texts(140, 13) if "\x00" not in t and len(t) < 200] + own_pages()[::3]


def unigram():
    import io
    import tempfile

    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2
    rules = [("\uff21", "A"), ("\ufb01", "fi"), ("\u00a0", " "), ("\t", " "), ("\n", " "), ("\u2028", " "),
             ("e\u0301", "\u00e9"), ("\u0085", ""), ("\u3000", " "), ("...", "\u2026"), ("..", ".")]
    with tempfile.NamedTemporaryFile("w", suffix=".tsv", encoding="utf-8") as tsv:
        for source, target in rules:
            tsv.write(" ".join(f"{ord(c):X}" for c in source) + "\t"
                      + " ".join(f"{ord(c):X}" for c in target) + "\n")
        tsv.flush()
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(own_pages()), model_writer=model, vocab_size=420, model_type="unigram",
            normalization_rule_tsv=tsv.name, minloglevel=2, hard_vocab_limit=False)
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(model.getvalue())
    for piece in proto.pieces:
        print("T", int(piece.type), repr(piece.score), hexed(piece.piece))
    print("C", proto.normalizer_spec.precompiled_charsmap.hex())
    oracle = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    for text in small_texts():
        print("X", hexed(text), ",".join(map(str, oracle.encode(text))) or "-")


def unigram_json(path):
    from types import SimpleNamespace

    import vocabulary_gguf
    pieces, charsmap = [], b""
    with open(path, encoding="utf-8") as file:
        for line in file:
            kind, *rest = line.split()
            if kind == "T":
                pieces.append(SimpleNamespace(type=int(rest[0]), score=float(rest[1]),
                                              piece=bytes.fromhex(rest[2]).decode()))
            elif kind == "C":
                charsmap = bytes.fromhex(rest[0])
    proto = SimpleNamespace(pieces=pieces, trainer_spec=SimpleNamespace(unk_id=0),
                            normalizer_spec=SimpleNamespace(precompiled_charsmap=charsmap))
    for style in ("xlm-r", "t5", "t5-first"):
        oracle = vocabulary_gguf.unigram_json(proto, style)
        oracle.encode_special_tokens = True
        for text in [*small_texts(), "a ..b... e\u0301\u0308x", " first", "x\u0903\r\ny", "\u0600A e\u0301"]:
            print(style, hexed(text), ",".join(map(str, oracle.encode(text, add_special_tokens=False).ids)) or "-")


def wordpiece():
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    oracle = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    oracle.normalizer = normalizers.BertNormalizer()
    oracle.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    oracle.train_from_iterator(own_pages(), trainers.WordPieceTrainer(vocab_size=500, special_tokens=special,
                                                                      show_progress=False))
    oracle.encode_special_tokens = True
    vocabulary = sorted(oracle.get_vocab().items(), key=lambda item: item[1])
    for piece, token in vocabulary:
        kind = 3 if piece in special else 1
        print("T", kind, 0.0, hexed(piece if kind == 3 else piece[2:] if piece.startswith("##") else "\u2581" + piece))
    for text in small_texts():
        print("X", hexed(text), ",".join(map(str, oracle.encode(text, add_special_tokens=False).ids)) or "-")


def main():
    if sys.argv[1] in ("unigram", "wordpiece"):
        {"unigram": unigram, "wordpiece": wordpiece}[sys.argv[1]]()
    elif sys.argv[1] == "unigram_json":
        unigram_json(sys.argv[2])
    elif sys.argv[1] == "words":
        words()
    else:
        tokens(sys.argv[2], sys.argv[4] if len(sys.argv) > 4 else None)


main()
