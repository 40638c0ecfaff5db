// Bundles: what goes in comes out, and everything else is refused by name.

#include "store/bundle.h"

#include <algorithm>
#include <cstring>

#include "store/store_fixture.h"

namespace freehold::store {
namespace {

ByteSink into(std::string& text) {
  return [&text](std::span<const std::byte> bytes) -> Status {
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return {};
  };
}

/// Hands the text over in pieces of at most `most` bytes.
ByteSource from(std::string_view text, size_t most = 1000) {
  auto at = std::make_shared<size_t>(0);
  return [text, most, at](std::span<std::byte> bytes) -> Result<size_t> {
    const size_t count = std::min({bytes.size(), most, text.size() - *at});
    std::memcpy(bytes.data(), text.data() + *at, count);
    *at += count;
    return count;
  };
}

/// A store with two names of one blob and one of another, and its bundle.
class BundleTest : public testing::Test {
 protected:
  BundleTest() : giver_(TestModel(20'000, 1)), taker_(TestModel(20'000, 1)) {}
  void SetUp() override {
    giver_.disk.put("/m/a.gguf", make_model(100'000, 1));
    giver_.disk.put("/m/b.gguf", make_model(3'000, 2));
    Store store = giver_.open();
    store.import("/m/a.gguf", "a", observer_).value();
    store.import("/m/b.gguf", "b:x", observer_).value();
    ModelSettings settings;
    set_system(settings, "Be brief.").value();
    store.create("c", "a", settings).value();
    bundle_ = exported({"a", "b:x", "c", "a"});
  }
  std::string exported(const std::vector<std::string>& names) {
    std::string text;
    TestObserver observer;
    giver_.open().export_bundle(names, into(text), observer).value();
    EXPECT_EQ(observer.last.bytes_done, observer.last.bytes_total);
    return text;
  }
  Result<std::vector<ModelRecord>> import(std::string_view bundle, size_t most = 1000) {
    TestObserver observer;
    return taker_.open().import_bundle(from(bundle, most), {}, observer);
  }
  void expect_refused(const std::string& bundle, const std::string& message) {
    const auto imported = import(bundle);
    ASSERT_FALSE(imported.ok()) << message;
    EXPECT_NE(imported.error().message.find(message), std::string::npos)
        << imported.error().message;
    EXPECT_TRUE(taker_.open().list().value().models.empty());
    for (const std::string& path : taker_.disk.all_files()) {
      EXPECT_TRUE(path.starts_with("/disk/store/locks/")) << path;
    }
  }
  /// Where the header of the entry is whose path begins so.
  size_t header_of(const std::string& path) const {
    for (size_t at = 0; at + 512 <= bundle_.size(); at += 512) {
      const bool split = path.starts_with("models/") && path.size() > 100;
      if (!split && bundle_.compare(at, path.size(), path) == 0 &&
          bundle_.compare(at + 257, 5, "ustar") == 0) {
        return at;
      }
    }
    ADD_FAILURE() << "no entry " << path;
    return 0;
  }
  /// The bundle with bytes of a header replaced, its sum put right.
  std::string with_header(size_t header, size_t at, std::string_view bytes) const {
    std::string text = bundle_;
    text.replace(header + at, bytes.size(), bytes);
    return with_sum(std::move(text), header);
  }
  static std::string with_sum(std::string text, size_t header) {
    text.replace(header + 148, 8, "        ");
    uint64_t sum = 0;
    for (size_t i = 0; i < 512; ++i) sum += static_cast<uint8_t>(text[header + i]);
    char digits[9];
    std::snprintf(digits, sizeof digits, "%06o", static_cast<unsigned>(sum));
    text.replace(header + 148, 6, digits, 6);
    text[header + 154] = '\0';
    return text;
  }

  SimulatedStore giver_;
  SimulatedStore taker_;
  Observer observer_;
  std::string bundle_;
};

TEST_F(BundleTest, BringsModelsOverWithTheirSettings) {
  const auto records = import(bundle_, 777).value();
  ASSERT_EQ(records.size(), 3u);
  Store store = taker_.open();
  EXPECT_EQ(store.show("c").value().settings.system, "Be brief.");
  EXPECT_EQ(store.show("a").value().source, "bundle");
  for (const char* name : {"a", "b:x", "c"}) EXPECT_TRUE(store.verify(name, observer_).ok());
  // Once more changes nothing, and a model that is here is not written again.
  EXPECT_TRUE(import(bundle_).ok());
  store.remove("a").value();
  EXPECT_TRUE(import(bundle_).ok());
  EXPECT_TRUE(store.verify("a", observer_).ok());
  EXPECT_EQ(exported({"a", "b:x", "c"}), bundle_);  // the same models, the same bytes
}

TEST_F(BundleTest, EveryTruncationAndManyFlipsAreNamed) {
  for (size_t bytes = 0; bytes < bundle_.size(); bytes += bytes < 3000 ? 97 : 5003) {
    const auto imported = import(bundle_.substr(0, bytes));
    ASSERT_FALSE(imported.ok()) << bytes;
    EXPECT_EQ(imported.error().code, ErrorCode::kDamaged) << imported.error().message;
  }
  base::RandomStream random(7);
  for (int i = 0; i < 400; ++i) {
    std::string flipped = bundle_;
    const size_t at = random.next_u64() % flipped.size();
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << random.below(8)));
    const auto imported = import(flipped);
    if (!imported.ok()) {
      EXPECT_TRUE(taker_.open().list().value().models.empty());
      continue;
    }
    // Words for people in a record may change unseen; the model's bytes may not.
    for (const ModelRecord& record : *imported) {
      EXPECT_TRUE(taker_.open().verify(record.name.text(), observer_).ok());
      taker_.open().remove(record.name.text()).value();
    }
  }
}

TEST_F(BundleTest, TricksAreRefusedByName) {
  const size_t plan = header_of("freehold-bundle.json");
  const size_t blob = header_of("blobs/sha256-");
  const size_t record = header_of("models/a/latest.json");
  expect_refused(with_header(record, 0, "models/../../latest.json"), "models/../../latest.json");
  expect_refused(with_header(record, 0, std::string("/etc/passwd\0\0\0\0\0\0\0\0\0", 20)),
                 "'/etc/passwd' where models/a/latest.json belongs");
  expect_refused(with_header(blob, 156, "2"), "a link in the place of blobs/sha256-");
  expect_refused(with_header(blob, 156, "1"), "a link");
  expect_refused(with_header(record, 156, "5"), "a folder");
  expect_refused(with_header(record, 156, "3"), "a device");
  expect_refused(with_header(record, 156, "x"), "no plain file");
  expect_refused(with_header(blob, 345, "models"), "'models/blobs/sha256-");
  expect_refused(with_header(blob, 124, "00000000000"), "were announced");
  expect_refused(with_header(blob, 124, "77777777777"), "were announced");
  expect_refused(with_header(blob, 124, "zzzzzzzzzzz"), "has no size");
  expect_refused(with_header(blob, 124, std::string(12, '\xFF')), "has no size");
  expect_refused(with_header(plan, 124, "00100000000"), "at most");
  expect_refused(with_header(record, 124, "00100000000"), "at most");
  std::string unsummed = bundle_;
  unsummed[blob + 100] = '7';
  expect_refused(unsummed, "a header is none");
  std::string other = bundle_;
  other[blob + 512 + 1000] ^= 1;
  expect_refused(other, "is something else");
  // Behind a blob's end, where its block is filled up.
  std::string hidden = bundle_;
  ASSERT_NE(100'000 % 512, 0);
  hidden[blob + 512 + 100'000] = 'x';
  expect_refused(hidden, "hides bytes");
  expect_refused(bundle_ + "x", "behind its last entry");
  expect_refused(bundle_ + bundle_, "behind its last entry");
  expect_refused(bundle_ + std::string(2u << 20, '\0'), "behind its last entry");
  expect_refused(bundle_.substr(0, bundle_.size() - 1024), "ends too early");
  expect_refused(bundle_.substr(0, blob) + bundle_.substr(record), "where blobs/sha256-");
  // The second record twice in place of the third.
  const size_t second = header_of("models/b/x.json");
  const size_t third = header_of("models/c/latest.json");
  expect_refused(bundle_.substr(0, third) + bundle_.substr(second), "models/b/x.json");
  expect_refused(std::string(4096, '\0'), "ends before its entry");
  expect_refused(std::string(4096, 'x'), "is no tar archive");
}

TEST_F(BundleTest, PlansThatContradictThemselvesAreRefused) {
  const std::string a = std::string(64, 'a');
  const auto plan = [&](const std::string& blobs, const std::string& models) {
    return parse_bundle_plan("{\"version\":1,\"blobs\":[" + blobs + "],\"models\":[" + models +
                             "]}");
  };
  const std::string blob = "{\"sha256\":\"" + a + "\",\"bytes\":5}";
  const std::string model = "{\"name\":\"m\",\"sha256\":\"" + a + "\"}";
  EXPECT_TRUE(plan(blob, model).ok());
  for (const auto& [blobs, models] : std::vector<std::pair<std::string, std::string>>{
           {blob + "," + blob, model},
           {blob, model + "," + model},
           {"", model},
           {blob, ""},
           {"{\"sha256\":\"" + a + "\"}", model},
           {"{\"sha256\":\"../x\",\"bytes\":5}", model},
           {"{\"sha256\":\"" + a + "\",\"bytes\":18446744073709551615}", model},
           {blob + ",{\"sha256\":\"" + std::string(64, 'b') + "\",\"bytes\":5}", model},
           {blob, "{\"name\":\"../m\",\"sha256\":\"" + a + "\"}"},
           {blob, "{\"name\":\"ollama:m\",\"sha256\":\"" + a + "\"}"}}) {
    const auto parsed = plan(blobs, models);
    ASSERT_FALSE(parsed.ok()) << blobs << models;
    EXPECT_EQ(parsed.error().code, ErrorCode::kDamaged);
  }
  EXPECT_EQ(parse_bundle_plan("{\"version\":2}").error().code, ErrorCode::kRefused);
}

TEST_F(BundleTest, NamesThatAreTakenRefuseItWhole) {
  taker_.disk.put("/m/other.gguf", make_model(2'000, 9));
  taker_.open().import("/m/other.gguf", "c", observer_).value();
  EXPECT_EQ(import(bundle_).error().code, ErrorCode::kRefused);
  EXPECT_EQ(taker_.open().list().value().models.size(), 1u);
  // The same blob, but other settings: seen when the record is.
  taker_.open().remove("c").value();
  EXPECT_TRUE(import(exported({"a"})).ok());
  ModelSettings settings;
  set_system(settings, "Sing.").value();
  taker_.open().create("c", "a", settings).value();
  EXPECT_EQ(import(bundle_).error().code, ErrorCode::kRefused);
  EXPECT_FALSE(taker_.open().show("b:x").ok());
  EXPECT_EQ(taker_.open().show("c").value().settings.system, "Sing.");
}

TEST_F(BundleTest, ADamagedBlobIsNotExported) {
  const std::string blob = giver_.open().resolve("a").value();
  giver_.disk.overwrite(blob, 500, "X");
  std::string text;
  EXPECT_EQ(giver_.open()
                .export_bundle(std::vector<std::string>{"a"}, into(text), observer_)
                .error()
                .code,
            ErrorCode::kDamaged);
  expect_refused(text, "");
}

TEST_F(BundleTest, APolicyEndsItBeforeAnythingIsVisible) {
  const auto refuse = [](const ModelRecord& record) -> Status {
    if (record.name.name != "c") return {};
    return Error{ErrorCode::kRefused, "policy", {}};
  };
  EXPECT_EQ(taker_.open().import_bundle(from(bundle_), refuse, observer_).error().message,
            "policy");
  EXPECT_TRUE(taker_.open().list().value().models.empty());
}

TEST(Bundle, SizesBeyondOctalAreBinary) {
  // 8 GiB and more do not fit into eleven octal digits.
  for (const uint64_t bytes :
       {uint64_t{077777777777}, uint64_t{0100000000000}, uint64_t{1} << 40}) {
    std::string text;
    const std::string sha256(64, 'a');
    BundleWriter writer(into(text));
    const BundlePlan plan{{{sha256, bytes}}, {{{"m", "latest"}, sha256}}};
    ASSERT_TRUE(writer.begin(plan).ok());
    ASSERT_TRUE(writer.begin_blob(plan.blobs[0]).ok());
    auto reader = BundleReader::open(from(text)).value();
    EXPECT_EQ(reader.plan(), plan);
    const Status read = reader.read_blob(plan.blobs[0], [](std::span<const std::byte>) -> Status {
      return Error{ErrorCode::kFailed, "not reached", {}};
    });
    EXPECT_EQ(read.error().message, "the bundle ends too early");
  }
}

}  // namespace
}  // namespace freehold::store
