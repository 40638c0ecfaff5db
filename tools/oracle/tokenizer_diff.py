#!/usr/bin/env python3
"""Our tokens against other engines' on generated text. On demand; needs `gguf` and `tokenizers`.

    tokenizer_diff.py --dump build/release/tokenize_dump MODEL.gguf
        [--json tokenizer.json] [--texts FILE] [--sentencepiece MODEL] [--llama FOLDER_WITH_LIBLLAMA --llama-source FOLDER] [--count 20000] [--seed 1]

Oracles:
  json    PyPI tokenizers on a tokenizer.json of the same vocabulary family
  gguf    PyPI tokenizers built from the GGUF's own tokens and merges, with the family's rules
  llama   llama.cpp's libllama through a helper program compiled here, vocabulary only

Prints, for each oracle, how many texts agree, and the first differences. Exit 1 where any differ
that the known reasons (see `reasons`) do not explain.
"""

import argparse
import json
import random
import re
import struct
import subprocess
import sys
import unicodedata

# What the regular expressions of tokenizer.json and ours cut differently for a known reason:
# `Digits` asks Rust's char::is_numeric, whose Unicode is newer than the tables' 16.0.
UNICODE_17_NUMBERS = {*range(0x11DE0, 0x11DEA), 0x16FF4, 0x16FF5, 0x16FF6}

SCRIPTS = [(0x20, 0x7E), (0x20, 0x7E), (0x41, 0x7A), (0xA0, 0x17F), (0x180, 0x24F), (0x250, 0x36F),
           (0x370, 0x3FF), (0x400, 0x52F), (0x530, 0x58F), (0x590, 0x5FF), (0x600, 0x6FF),
           (0x700, 0x74F), (0x900, 0x97F), (0x980, 0x9FF), (0xA00, 0xA7F), (0xB80, 0xBFF),
           (0xC00, 0xC7F), (0xE00, 0xE7F), (0xE80, 0xEFF), (0xF00, 0xFFF), (0x1000, 0x109F),
           (0x10A0, 0x10FF), (0x1100, 0x11FF), (0x1200, 0x137F), (0x1780, 0x17FF), (0x1E00, 0x1EFF),
           (0x1F00, 0x1FFF), (0x2000, 0x206F), (0x2070, 0x209F), (0x20A0, 0x20CF), (0x2100, 0x218F),
           (0x2190, 0x22FF), (0x2460, 0x24FF), (0x2600, 0x27BF), (0x3000, 0x30FF), (0x3400, 0x34FF),
           (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xF900, 0xFAFF), (0xFB00, 0xFB4F), (0xFE70, 0xFEFF),
           (0xFF00, 0xFFEF), (0x10330, 0x1034F), (0x1D400, 0x1D7FF), (0x1F300, 0x1FAFF),
           (0x20000, 0x200FF), (0x0, 0x1F), (0x0, 0x10FFFF)]
SPACES = [" ", " ", " ", "\n", "\t", "\r\n", "\r", "\u00a0", "\u3000", "\u2028", "\u0085", "\v", "\u1680"]
WORDS = ("the quick Brown fox's JUMPS don't DON'T we'Ve I'll it'D x'ſ '’s http://a.b/c?d=e foo_bar "
         "def f(x): return x+1 1,000.50 $3.14 naïve Zürich Ελλάδα Привет мир שלום مرحبا नमस्ते "
         "สวัสดี こんにちは 世界 한국어 🙂 👩‍👩‍👧‍👦 🏳️‍🌈 e\u0301 A\u030a ﬁ ǅ ½ Ⅷ ٣٤٥ १२३ <b> </b> <|im_end|> "
         "<|endoftext|> <eos> <0x0A> \u200d \ufeff İ").split(" ")


def random_char(rng):
    low, high = rng.choice(SCRIPTS)
    code = rng.randint(low, high)
    return chr(code) if not 0xD800 <= code < 0xE000 else "x"


def make_text(rng):
    parts = []
    for _ in range(rng.randint(1, 14)):
        kind = rng.randint(0, 9)
        if kind <= 2:
            parts.append(rng.choice(WORDS))
        elif kind <= 4:
            low, high = rng.choice(SCRIPTS)
            codes = [rng.randint(low, high) for _ in range(rng.randint(1, 8))]
            parts.append("".join(chr(c) for c in codes if not 0xD800 <= c < 0xE000))
        elif kind == 5:
            digits = rng.choice(["0123456789", "٠١٢٣٤٥٦٧٨٩", "०१२३४५६७८९", "０１２３４５６７８９", "²³¹½"])
            parts.append("".join(rng.choice(digits) for _ in range(rng.randint(1, 12))))
        elif kind == 6:
            parts.append("".join(rng.choice(SPACES) for _ in range(rng.randint(1, 6))))
        elif kind == 7:
            parts.append(rng.choice([" ", "\n", "\t", "a", "!", "=", "-", "'"]) * rng.randint(1, 40))
        elif kind == 8:
            parts.append("".join(random_char(rng) for _ in range(rng.randint(1, 6))))
        else:
            parts.append(rng.choice("'’") + rng.choice(["s", "S", "t", "re", "RE", "lL", "ve", "d", "m", "ſ", "x"]))
        if rng.random() < 0.5:
            parts.append(" ")
    return "".join(parts)


def make_invalid(rng):
    data = bytearray(make_text(rng).encode())
    for _ in range(rng.randint(1, 4)):
        at = rng.randint(0, len(data))
        data[at:at + rng.randint(0, 1)] = bytes([rng.randint(0x80, 0xFF)])
    return bytes(data)


def ours(dump, model, texts, *flags):
    data = b"".join(struct.pack("<I", len(t)) + t for t in texts)
    run = subprocess.run([dump, model, *flags], input=data, stdout=subprocess.PIPE, check=True)
    lines = run.stdout.decode().split("\n")[:-1]
    assert len(lines) == len(texts), (len(lines), len(texts))
    return lines


def read_gguf(path):
    import gguf
    fields = gguf.GGUFReader(path).fields
    return {key[len("tokenizer.ggml."):]: field.contents() for key, field in fields.items()
            if key.startswith("tokenizer.ggml.")}


LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")


CASED_WORD = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+CONTRACTION"
              r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*CONTRACTION"
              r"|\p{N}DIGITS| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
GPT4O = CASED_WORD.replace("CONTRACTION", "(?i:'s|'t|'re|'ve|'m|'ll|'d)?").replace("DIGITS", "{1,3}")
TEKKEN = CASED_WORD.replace("CONTRACTION", "").replace("DIGITS", "")
DEEPSEEK_V3 = (r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
               r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
# Letters with case, range by range, as deepseek-llm's tokenizer.json writes them out.
CASED = ("A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-"
         "\u02af\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-"
         "\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5"
         "\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-"
         "\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-"
         "\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-"
         "\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-"
         "\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149"
         "\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d"
         "\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-"
         "\ufb17\uff21-\uff3a\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-"
         "\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2\U000118a0-\U000118df\U0001e900-"
         "\U0001e943")


def rules():
    """The words of each family, as its tokenizer.json cuts them: pre-tokenizers by `tokenizer.ggml.pre`.
    Those in the second map end in the byte-level alphabet already."""
    from tokenizers import Regex, pre_tokenizers as pre

    def split(pattern):
        return pre.Split(Regex(pattern), "isolated")
    gpt2 = split(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
    qwen2 = LLAMA3.replace("{1,3}", "")
    qwen35 = qwen2.replace(r"?\p{L}+", r"?[\p{L}\p{M}]+").replace(r" ?[^\s\p{L}\p{N}]", r" ?[^\s\p{L}\p{M}\p{N}]")
    han = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
    each = pre.Digits(individual_digits=True)
    threes = split(r"\d{1,3}(?=(?:\d{3})*\b)")
    wide = "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+"
    plain = {
        "gpt-2": gpt2, "smollm": pre.Sequence([split(r"\p{N}"), gpt2]), "llama-bpe": split(LLAMA3),
        "qwen2": split(qwen2), "qwen35": split(qwen35), "gpt-4o": split(GPT4O), "tekken": split(TEKKEN),
        "tiny_aya": pre.Sequence([threes, split(GPT4O)]),
        "deepseek-v3": pre.Sequence([split(r"\p{N}{1,3}"), split("[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"),
                                     split(DEEPSEEK_V3)]),
        "deepseek-coder": pre.Sequence([split("[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), split(han),
                                        each]),
        "deepseek-llm": pre.Sequence([split("[\r\n]"), split(r"\s?[" + CASED + "]+"), split(wide),
                                      split(r"\s+$"), split(han), each])}
    mapped = {
        "falcon": pre.Sequence([pre.Punctuation("contiguous"), pre.ByteLevel(add_prefix_space=False),
                                pre.Digits(individual_digits=False), split("[0-9][0-9][0-9]")])}
    return plain, mapped


def build_tokenizers(vocabulary):
    """A `tokenizers` model over the GGUF's own tables, with the rules its pre-tokenizer names."""
    from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers
    tokens = vocabulary["tokens"]
    types = vocabulary["token_type"]
    merges = [tuple(m.split(" ")) for m in vocabulary["merges"]]
    pre = vocabulary["pre"]
    vocab = {t: i for i, t in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, ignore_merges=pre in ("llama-bpe", "tekken", "gpt-4o")))
    plain, mapped = rules()
    same = {"command-r": "smollm", "starcoder": "smollm", "refact": "smollm", "mpt": "gpt-2", "llama4": "gpt-4o"}
    if pre in mapped:
        tokenizer.pre_tokenizer = mapped[pre]
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [plain[same.get(pre, pre)], pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    if pre in ("qwen2", "qwen35", "tiny_aya", "command-r", "mpt"):
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t, k in zip(tokens, types) if k == 4])
    return tokenizer


def build_gemma4(vocabulary):
    """BPE over raw text with spaces rewritten and bytes to fall back on, as gemma's tokenizer.json has it."""
    from tokenizers import AddedToken, Tokenizer, models, normalizers
    tokens, types = vocabulary["tokens"], vocabulary["token_type"]
    merges = [tuple(m.split(" ", 1)) if m[0] != " " else m for m in vocabulary["merges"]]
    tokenizer = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=merges, unk_token="<unk>",
                                     byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t, k in zip(tokens, types) if k == 4])
    return tokenizer


LLAMA_PROGRAM = r"""
#include <cstdio>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>
#include "llama.h"
int main(int, char** argv) {
  llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
  llama_backend_init();
  auto params = llama_model_default_params();
  params.vocab_only = true;
  auto* model = llama_model_load_from_file(argv[1], params);
  const auto* vocab = llama_model_get_vocab(model);
  const bool special = argv[2][0] == '1';
  uint32_t length;
  std::vector<char> text;
  std::vector<llama_token> tokens;
  while (fread(&length, 4, 1, stdin) == 1) {
    text.resize(length + 1);
    if (length && fread(text.data(), 1, length, stdin) != length) return 1;
    tokens.resize(4 * length + 16);
    const int n = llama_tokenize(vocab, text.data(), length, tokens.data(), tokens.size(), false, special);
    for (int i = 0; i < n; ++i) printf(i ? " %d" : "%d", tokens[i]);
    puts("");
  }
}
"""


def llama_program(folder, source, work):
    """Compiles the helper; `folder` has libllama.so, `source` is llama.cpp's checkout."""
    path = f"{work}/llama_tokens"
    with open(path + ".cc", "w") as file:
        file.write(LLAMA_PROGRAM)
    subprocess.run(["g++", "-O1", "-std=c++17", f"-I{source}/include", f"-I{source}/ggml/include", path + ".cc",
                    "-o", path, f"-L{folder}", f"-Wl,-rpath,{folder}", "-lllama", "-lggml", "-lggml-base",
                    "-lggml-cpu"], check=True)
    return path


def theirs_llama(program, model, texts, special):
    data = b"".join(struct.pack("<I", len(t)) + t for t in texts)
    run = subprocess.run([program, model, "1" if special else "0"], input=data, stdout=subprocess.PIPE, check=True)
    return run.stdout.decode().split("\n")[:-1]


def same_without_a_file(options, oracle, texts, mine, theirs):
    """Texts that the package cuts as we do once its scores are Python's reading of the file."""
    from tokenizers import models
    with open(options.json, encoding="utf-8") as file:
        model = json.load(file)["model"]
    oracle.model = models.Unigram([tuple(piece) for piece in model["vocab"]], model["unk_id"], model["byte_fallback"])
    return {text for text, a, b in zip(texts, mine, theirs)
            if a != b and a == " ".join(map(str, oracle.encode(text, add_special_tokens=False).ids))}


def report(name, texts, mine, theirs, reasons):
    same = 0
    explained = {}
    different = []
    for text, a, b in zip(texts, mine, theirs):
        if a == b:
            same += 1
            continue
        reason = next((label for label, test in reasons if test(text)), None)
        if reason:
            explained[reason] = explained.get(reason, 0) + 1
        else:
            different.append((text, a, b))
    print(f"{name}: {same} of {len(texts)} equal; explained {explained}; unexplained {len(different)}")
    for text, a, b in sorted(different, key=lambda d: len(d[0]))[:8]:
        print("   text", text, "\n   ours", a[:300], "\n   them", b[:300])
    return len(different)


def diff_json(options, pre, texts, mine, reasons):
    from tokenizers import Tokenizer
    oracle = Tokenizer.from_file(options.json)
    oracle.encode_special_tokens = True
    oracle.no_padding()
    oracle.no_truncation()
    theirs = [" ".join(map(str, e.ids)) for e in oracle.encode_batch(texts, add_special_tokens=False)]
    ties = set()
    with open(options.json, encoding="utf-8") as file:
        unigram = json.load(file)["model"].get("type") == "Unigram"
    if unigram:
        ties = same_without_a_file(options, oracle, texts, mine, theirs)
        # Its trie holds marks and byte tokens by their texts. Its reading of numbers is off by a unit in the
        # last place at times, which decides ties; made without a file it gives our tokens.
        reasons += [("a mark or a byte token written out", lambda t: re.search(rb"</?s>|<unk>|<0x..>", t)),
                    ("a tie of sums", lambda t: t.decode() in ties)]
    if pre == "spm":
        # Added tokens there, control tokens in the file; and runs of \u2581 are looked for in
        # the text as written, where SentencePiece does not tell them from spaces.
        reasons += [("<unusedN> in the text", lambda t: b"<unused" in t),
                    ("a written \u2581", lambda t: "\u2581".encode() in t)]
    return report("tokenizers (tokenizer.json)", [t.encode() for t in texts], mine, theirs, reasons)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--dump", required=True)
    parser.add_argument("--json")
    parser.add_argument("--texts", help="a file whose lines are compared too")
    parser.add_argument("--sentencepiece", help="the model that the vocabulary was made from")
    parser.add_argument("--llama", help="folder of libllama.so")
    parser.add_argument("--llama-source", help="llama.cpp's source folder")
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    if options.model.endswith(".json"):
        options.json, vocabulary = options.model, {"model": "json"}
    else:
        vocabulary = read_gguf(options.model)
    texts = [make_text(rng) for _ in range(options.count)]
    texts += ["a</s>b", "<unused1> x", "a ▁▁ b ▁c"]
    texts += [c * n for c in "a 1\n=é世" for n in (1, 2, 3, 40, 41, 42, 1000)]
    if options.texts:
        with open(options.texts, encoding="utf-8") as file:
            texts += file.read().splitlines()
    data = [t.encode() for t in texts]
    mine = ours(options.dump, options.model, data)
    pre = vocabulary.get("pre", "default") if vocabulary["model"] in ("gpt2", "json") else "spm"
    failures = 0
    numbers17 = ("Unicode 17 number", lambda t: any(ord(c) in UNICODE_17_NUMBERS for c in t.decode()))
    # The package normalizes by an older table: U+0EBA and U+0C3C, for example, have no combining class there.
    from tokenizers import normalizers
    nfc = normalizers.NFC()
    older_nfc = ("its NFC is of an older Unicode",
                 lambda t: nfc.normalize_str(t.decode()) != unicodedata.normalize("NFC", t.decode()))
    if vocabulary["model"] == "gpt2":
        oracle = build_tokenizers(vocabulary)
        theirs = [" ".join(map(str, e.ids)) for e in oracle.encode_batch(texts, add_special_tokens=False)]
        failures += report("tokenizers (GGUF's tables)", data, mine, theirs, [numbers17, older_nfc])
    if vocabulary["model"] == "gemma4":
        oracle = build_gemma4(vocabulary)
        theirs = [" ".join(map(str, e.ids)) for e in oracle.encode_batch(texts, add_special_tokens=False)]
        # The package finds user-defined tokens before spaces are rewritten, as we do.
        failures += report("tokenizers (GGUF's tables)", data, mine, theirs,
                           [("a written \u2581", lambda t: "\u2581".encode() in t)])
    if options.json:
        failures += diff_json(options, pre, texts, mine, [numbers17, older_nfc])
    if options.sentencepiece:
        import sentencepiece
        oracle = sentencepiece.SentencePieceProcessor(model_file=options.sentencepiece)
        theirs = [" ".join(map(str, ids)) for ids in oracle.encode(texts)]
        failures += report("sentencepiece", data, mine, theirs, [])
    if options.llama:
        failures += diff_llama(options, vocabulary, pre, data, mine, rng)
    sys.exit(1 if failures else 0)


def missing_bytes(vocabulary):
    """Bytes without a token: llama.cpp cuts there, the package makes their neighbours neighbours."""
    codes = [*range(33, 127), *range(161, 173), *range(174, 256)]
    alphabet = dict(zip(codes, map(chr, codes)))
    for byte in range(256):
        alphabet.setdefault(byte, chr(256 + len([b for b in range(byte) if b not in codes])))
    tokens = set(vocabulary["tokens"])
    return {byte for byte in range(256) if alphabet[byte] not in tokens}


def diff_llama(options, vocabulary, pre, data, mine, rng):
    program = llama_program(options.llama, options.llama_source, "/tmp")
    reasons = [("</s> taken for an end mark", lambda t: b"</s>" in t)]
    if "<|placeholder1|>" in vocabulary["tokens"]:
        reasons.append(("white space beyond ASCII behind a mark that strips",
                        lambda t: re.search(r">\s*[^\x00-\x7f\S]", t.decode("utf-8", "replace"))))
    if pre == "spm":
        # llama.cpp looks for user-defined tokens (runs of spaces) before it turns spaces into it.
        reasons.append(("a written \u2581", lambda t: "\u2581".encode() in t))
    else:
        missing = missing_bytes(vocabulary)
        reasons += [("bytes without a token", lambda t: any(b in missing for b in t)),
                    ("long s in a contraction", lambda t: "ſ" in t.decode()),
                    ("newer letters than its tables", lambda t: any(
                        unicodedata.category(c) == "Cn" for c in t.decode()))]
    if pre in ("qwen2", "qwen35", "tiny_aya", "command-r", "mpt"):
        reasons.append(("normalization form C", lambda t: unicodedata.normalize("NFC", t.decode()) != t.decode()))
    failures = report("llama.cpp", data, mine, theirs_llama(program, options.model, data, False), reasons)
    flags = ours(options.dump, options.model, data, "--special")
    failures += report("llama.cpp, special tokens parsed", data, flags,
                       theirs_llama(program, options.model, data, True), reasons)
    marks = [t for t, k in zip(vocabulary["tokens"], vocabulary.get("token_type", [])) if k in (3, 4) and t != "</s>"]
    if marks:
        marked = ["".join(rng.choice([rng.choice(marks), make_text(rng), " ", "\n", " \n ", "x"]) for _ in range(8))
                  for _ in range(options.count // 10)]
        marked = [t.encode() for t in marked]
        failures += report("llama.cpp, texts of special tokens", marked,
                           ours(options.dump, options.model, marked, "--special"),
                           theirs_llama(program, options.model, marked, True), reasons)
    broken = [make_invalid(rng) for _ in range(options.count // 4)]
    if vocabulary["model"] == "gemma4":
        back = ours(options.dump, options.model, broken, "--bytes")
        spaces = [bytes.fromhex(line).replace(b"\xe2\x96\x81", b" ") for line in back]
        lost = [t for t, line in zip(broken, spaces) if line != t.replace(b"\xe2\x96\x81", b" ")]
        print(f"invalid UTF-8 (llama.cpp ends there): {len(broken) - len(lost)} of {len(broken)} come back byte for byte")
        failures += len(lost)
    elif pre == "spm":
        failures += report("llama.cpp, invalid UTF-8", broken, ours(options.dump, options.model, broken),
                           theirs_llama(program, options.model, broken, False), reasons)
    else:
        # llama.cpp turns bad bytes into U+FFFD; ours keeps them, so what must hold is the way back.
        missing = missing_bytes(vocabulary)
        kept = [bytes(b for b in t if b not in missing) for t in broken]
        back = ours(options.dump, options.model, kept, "--bytes")
        lost = [t for t, line in zip(kept, back) if bytes.fromhex(line) != t and pre != "qwen2"]
        print(f"invalid UTF-8: {len(kept) - len(lost)} of {len(kept)} come back byte for byte")
        failures += len(lost)
    return failures


if __name__ == "__main__":
    main()
