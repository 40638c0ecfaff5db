// `freehold languages`: what a model's tokenizer makes of languages. Characters per token say how
// much of a context, and of the time, a text takes; licence and claims stand beside them.

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"
#include "base/text.h"
#include "cli/session.h"

namespace freehold::cli {

namespace {

constexpr uint64_t kTextBytesMax = uint64_t{1} << 30;

constexpr Option kOptions[] = {kJsonOption};

/// One own sentence in several languages: a rough measure where the user gives no text.
struct Sample {
  std::string_view language;  // ISO 639-1
  std::string_view name;
  std::string_view text;
};

constexpr Sample kSamples[] = {
    {"ar", "Arabic", "هذا النموذج يعمل على جهازي الخاص ولا يرسل أي شيء إلى الخارج."},
    {"bn", "Bengali", "এই মডেলটি আমার নিজের কম্পিউটারে চলে এবং বাইরে কিছুই পাঠায় না।"},
    {"cs", "Czech", "Tento model běží na mém vlastním počítači a nic neposílá ven."},
    {"de", "German",
     "Dieses Modell läuft auf meinem eigenen Rechner und sendet nichts nach außen."},
    {"el", "Greek", "Αυτό το μοντέλο τρέχει στον δικό μου υπολογιστή και δεν στέλνει τίποτα έξω."},
    {"en", "English", "This model runs on my own machine and sends nothing outside."},
    {"es", "Spanish", "Este modelo funciona en mi propia máquina y no envía nada fuera."},
    {"fa", "Persian",
     "این مدل روی رایانهٔ خودم اجرا می‌شود و چیزی به "
     "بیرون "
     "نمی‌فرستد."},
    {"fr", "French", "Ce modèle tourne sur ma propre machine et n'envoie rien à l'extérieur."},
    {"he", "Hebrew", "המודל הזה רץ על המחשב שלי ולא שולח שום דבר החוצה."},
    {"hi", "Hindi", "यह मॉडल मेरे अपने कंप्यूटर पर चलता है और बाहर कुछ नहीं भेजता।"},
    {"id", "Indonesian",
     "Model ini berjalan di mesin saya sendiri dan tidak mengirim apa pun keluar."},
    {"it", "Italian", "Questo modello gira sulla mia macchina e non invia nulla all'esterno."},
    {"ja", "Japanese", "このモデルは自分のマシンで動き、外には何も送りません。"},
    {"ko", "Korean", "이 모델은 내 컴퓨터에서 실행되며 밖으로 아무것도 보내지 않습니다."},
    {"nl", "Dutch", "Dit model draait op mijn eigen machine en stuurt niets naar buiten."},
    {"pl", "Polish",
     "Ten model działa na moim własnym komputerze i nie wysyła niczego na zewnątrz."},
    {"pt", "Portuguese", "Este modelo roda na minha própria máquina e não envia nada para fora."},
    {"ru", "Russian",
     "Эта модель работает на моём собственном компьютере и ничего не отправляет наружу."},
    {"sv", "Swedish", "Den här modellen körs på min egen dator och skickar ingenting utåt."},
    {"sw", "Swahili", "Modeli hii inaendeshwa kwenye mashine yangu na haitumi chochote nje."},
    {"ta", "Tamil", "இந்த மாதிரி என் சொந்த கணினியில் இயங்குகிறது, வெளியே எதையும் அனுப்பாது."},
    {"th", "Thai", "โมเดลนี้ทำงานบนเครื่องของฉันเองและไม่ส่งอะไรออกไปข้างนอก"},
    {"tr", "Turkish", "Bu model kendi makinemde çalışır ve dışarıya hiçbir şey göndermez."},
    {"uk", "Ukrainian",
     "Ця модель працює на моєму власному комп'ютері й нічого не надсилає назовні."},
    {"ur", "Urdu", "یہ ماڈل میرے اپنے کمپیوٹر پر چلتا ہے اور باہر کچھ نہیں بھیجتا۔"},
    {"vi", "Vietnamese", "Mô hình này chạy trên máy của tôi và không gửi bất cứ thứ gì ra ngoài."},
    {"zh", "Chinese", "这个模型在我自己的机器上运行，不向外发送任何内容。"},
};

/// What a text costs with a tokenizer.
struct Measure {
  std::string_view language;
  std::string_view name;
  uint64_t characters = 0;
  uint64_t tokens = 0;
  double characters_per_token() const {
    return tokens == 0 ? 0 : static_cast<double>(characters) / static_cast<double>(tokens);
  }
};

Measure measure(const model::Tokenizer& tokenizer, std::string_view text) {
  Measure result;
  for (size_t at = 0; at < text.size();) {
    const auto rune = base::decode_utf8(text.substr(at, 4));
    at += rune.valid ? rune.length : 1;
    ++result.characters;
  }
  result.tokens = tokenizer.encode(text, model::SpecialTokens::kPlainText).size();
  return result;
}

/// What the file says of itself; nothing of it is checked.
struct Claims {
  std::string name, licence;
  std::vector<std::string> languages;
};

Claims claims_of(const model::Metadata& metadata) {
  Claims claims;
  claims.name = metadata.find_string("general.name").value_or("");
  claims.licence = metadata.find_string("general.license").value_or("");
  for (const std::string_view language :
       metadata.find_strings("general.languages").value_or(std::vector<std::string_view>{})) {
    claims.languages.emplace_back(language);
  }
  return claims;
}

std::string as_text(const Claims& claims, const model::Tokenizer& tokenizer,
                    const std::vector<Measure>& rows, bool samples) {
  const auto said = [](const std::string& text) {
    return text.empty() ? std::string("the file does not say") : base::printable(text);
  };
  std::string languages;
  for (const std::string& language : claims.languages) {
    languages += (languages.empty() ? "" : ", ") + base::printable(language);
  }
  std::string out = fmt::format("model       {}\nlicence     {}\nclaims      {}\n",
                                said(claims.name), said(claims.licence), said(languages));
  out += fmt::format("tokenizer   {}, {} tokens\n\n", tokenizer.description(),
                     tokenizer.vocabulary_size());
  for (const Measure& row : rows) {
    out += fmt::format("{:<12} {:>5.2f} characters per token ({} in {} tokens)\n", row.name,
                       row.characters_per_token(), row.characters, row.tokens);
  }
  if (samples) {
    out +=
        "\nOne built-in sentence each: give FILE to measure a text of your own. A high figure "
        "says\n"
        "that a language is cheap, not that the model knows it.\n";
  }
  return out;
}

std::string as_json(const Claims& claims, const model::Tokenizer& tokenizer,
                    const std::vector<Measure>& rows) {
  std::string out;
  base::JsonWriter json(out);
  json.begin_object();
  json.field("name", claims.name).field("licence", claims.licence);
  json.key("claims").begin_array();
  for (const std::string& language : claims.languages) json.value(language);
  json.end_array();
  json.field("tokenizer", tokenizer.description());
  json.field("vocabulary", tokenizer.vocabulary_size());
  json.key("texts").begin_array();
  for (const Measure& row : rows) {
    json.begin_object().field("language", row.language).field("name", row.name);
    json.field("characters", row.characters).field("tokens", row.tokens);
    json.field("characters_per_token", row.characters_per_token()).end_object();
  }
  json.end_array().end_object();
  return out + '\n';
}

Status run(Context& context, const Arguments& arguments) {
  const auto& words = arguments.positional();
  const auto opened = TRY(open_tokenizer(context, words[0]));
  const auto& tokenizer = opened.tokenizer;
  std::vector<Measure> rows;
  if (words.size() > 1) {
    const std::string text = TRY(io::read_small_file(context.files, words[1], kTextBytesMax));
    if (text.empty()) {
      return Error{ErrorCode::kRefused, words[1] + " is empty", "give a text to measure"};
    }
    rows.push_back(measure(*tokenizer, text));
    rows.back().name = words[1];
  } else {
    for (const Sample& sample : kSamples) {
      rows.push_back(measure(*tokenizer, sample.text));
      rows.back().language = sample.language;
      rows.back().name = sample.name;
    }
    std::stable_sort(rows.begin(), rows.end(), [](const Measure& a, const Measure& b) {
      return a.characters_per_token() > b.characters_per_token();
    });
  }
  const Claims claims = opened.file == nullptr ? Claims{} : claims_of(opened.file->metadata());
  context.out.write(TRY(arguments.flag("--json"))
                        ? as_json(claims, *tokenizer, rows)
                        : as_text(claims, *tokenizer, rows, words.size() == 1));
  return {};
}

}  // namespace

const Command& languages_command() {
  static constexpr Command kCommand{
      .name = "languages",
      .summary = "Show how many characters of a language one token holds",
      .usage = "MODEL [FILE]",
      .options = kOptions,
      .description =
          "Measures FILE, or one built-in sentence in 28 languages, and prints the licence and the "
          "languages that the model's file claims. Works on files that hold only a vocabulary.",
      .examples =
          "  freehold languages smollm2\n"
          "  freehold languages ./any.gguf letters.txt --json\n",
      .positional_min = 1,
      .positional_max = 2,
      .run = run};
  return kCommand;
}

}  // namespace freehold::cli
