#include <anylead/io/torch_pickle.hpp>

#include <nlohmann/json.hpp>

#include <io/pickle_builder.hpp>
#include <io/zip_builder.hpp>
#include <support/catch.hpp>
#include <support/temporary_folder.hpp>

using namespace anylead;
using namespace anylead::io;
using namespace pickled;
using Catch::Matchers::Contains;

namespace {

std::string file(const std::string& name) { return std::string(ANYLEAD_SOURCE_DIR) + "/tests/io/files/" + name; }

/// i / 8 - 3, as the script beside the files counts.
std::vector<double> counted(int from, int count, int step = 1) {
  std::vector<double> values;
  for (int i = 0; i < count; ++i) values.push_back((from + i * step) / 8.0 - 3);
  return values;
}

std::vector<double> values(const TorchCheckpoint& checkpoint, const std::string& name) {
  return checkpoint.model.at(name).to_vector<double>();
}

TorchCheckpoint parse(const std::string& bytes) {
  return parse_torch_checkpoint(Bytes::copy_of(bytes.data(), bytes.size()), "f");
}

/// A file whose pickle has this body, with a storage "0" of eight bytes.
TorchCheckpoint parse_pickle(const std::string& body) {
  return parse(zip_of({{"a/data.pkl", "\x80\x02" + body}, {"a/data/0", "\1\2\3\4\5\6\7\x08"}}));
}

std::string byte_tensor(int offset, const std::vector<int>& shape, const std::vector<int>& strides) {
  return tensor(storage("ByteStorage", "0", integer(8)), integer(offset), sizes(shape), sizes(strides));
}
void refuses(const std::string& body, const std::string& message) {
  CHECK_THROWS_WITH(parse_pickle(body), Contains(message));
  CHECK_THROWS_AS(parse_pickle(body), FormatError);
}

}  // namespace

TEST_CASE("a state dict of torch.save is read with every element type", "[io]") {
  const auto checkpoint = load_torch_checkpoint(file("plain.pt"));
  CHECK(checkpoint.cfg_json.empty());
  CHECK_FALSE(checkpoint.num_updates.has_value());
  CHECK(checkpoint.model.size() == 15);
  CHECK(checkpoint.model.at("conv.weight_g").shape() == std::vector<Index>{1, 1, 3});
  CHECK(checkpoint.model.at("conv.weight_v").shape() == std::vector<Index>{4, 4, 3});
  CHECK(values(checkpoint, "conv.weight_v") == counted(0, 48));
  CHECK(values(checkpoint, "conv.bias") == counted(0, 4));
  CHECK(checkpoint.model.at("empty").shape() == std::vector<Index>{0, 3});
  CHECK(checkpoint.model.at("scalar").shape().empty());
  CHECK(values(checkpoint, "scalar") == std::vector<double>{1.5});
  CHECK(values(checkpoint, "parameter") == counted(0, 2));
  for (const auto& [name, type] : {std::pair{"float64", DType::f64}, {"float16", DType::f16}, {"bfloat16", DType::bf16}}) {
    CHECK(checkpoint.model.at(name).dtype() == type);
    CHECK(values(checkpoint, name) == counted(0, 5));
  }
  for (const auto& [name, type] :
       {std::pair{"int64", DType::i64}, {"int32", DType::i32}, {"int16", DType::i16}, {"int8", DType::i8}}) {
    CHECK(checkpoint.model.at(name).dtype() == type);
    CHECK(values(checkpoint, name) == std::vector<double>{-2, -1, 0, 1, 2});
  }
  CHECK(values(checkpoint, "uint8") == std::vector<double>{0, 1, 2, 3, 4});
  CHECK(checkpoint.model.at("bool").dtype() == DType::boolean);
  CHECK(values(checkpoint, "bool") == std::vector<double>{1, 0});
}

TEST_CASE("a training checkpoint gives its model, its configuration and its number of updates", "[io]") {
  const auto checkpoint = load_torch_checkpoint(file("fairseq_like.pt"));
  REQUIRE(checkpoint.model.size() == 3);
  CHECK(checkpoint.model.begin()->first == "mask_emb");
  CHECK(checkpoint.model.at("mask_emb").dtype() == DType::f16);
  CHECK(values(checkpoint, "feature_extractor.conv_layers.0.0.weight") == counted(0, 96));
  CHECK(values(checkpoint, "encoder.layers.0.fc1.bias") == counted(0, 3));
  CHECK(checkpoint.num_updates == 12345);
  const auto cfg = nlohmann::json::parse(checkpoint.cfg_json);
  CHECK(cfg.at("model").at("layer_norm_first") == true);
  CHECK(cfg.at("model").at("extractor_mode") == "default");
  CHECK(cfg.at("model").at("feature_grad_mult") == 0.1);
  CHECK(cfg.at("model").at("latent_temp") == std::vector<double>{2.0, 0.5, 0.999995});
  CHECK(cfg.at("_name").is_null());
  CHECK(cfg.at("common").at("seed") == 1);
  CHECK(cfg.at("optimizer").at("scalar").is_null());
}

TEST_CASE("tensors that share a storage keep their offsets and strides", "[io]") {
  const auto checkpoint = load_torch_checkpoint(file("shared.pt"));
  CHECK(values(checkpoint, "base") == counted(0, 24));
  CHECK(values(checkpoint, "tied") == counted(0, 24));
  CHECK(values(checkpoint, "row") == counted(12, 6));
  CHECK(values(checkpoint, "column") == counted(10, 3, 6));
  CHECK(checkpoint.model.at("transposed").shape() == std::vector<Index>{6, 4});
  std::vector<double> transposed, odd;
  for (int c = 0; c < 6; ++c)
    for (int r = 0; r < 4; ++r) transposed.push_back((r * 6 + c) / 8.0 - 3);
  for (int r = 0; r < 4; ++r)
    for (int c = 1; c < 6; c += 2) odd.push_back((r * 6 + c) / 8.0 - 3);
  CHECK(values(checkpoint, "transposed") == transposed);
  CHECK(values(checkpoint, "every_other") == odd);
  CHECK(values(checkpoint, "expanded") == std::vector<double>{-3, -3, -3, -2.875, -2.875, -2.875});
  CHECK(checkpoint.model.at("base").bytes().data() == checkpoint.model.at("tied").bytes().data());  // views, not copies
}

TEST_CASE("a file of torch.save cut anywhere is refused", "[io]") {
  for (const char* name : {"plain.pt", "shared.pt", "fairseq_like.pt"}) {
    const auto whole = read_file(file(name));
    CHECK_NOTHROW(parse(whole));
    for (std::size_t n = 0; n < whole.size(); n += 7) CHECK_THROWS_AS(parse(whole.substr(0, n)), FormatError);
  }
}

TEST_CASE("a pickle cut or changed anywhere is read or refused", "[io]") {
  const std::string whole =
      dict({{"model", dict({{"w", byte_tensor(2, {2, 2}, {2, 1})}})}, {"cfg", dict({{"a", "K\1"}})}}) + ".";
  CHECK(values(parse_pickle(whole), "w") == std::vector<double>{3, 4, 5, 6});
  for (std::size_t n = 0; n < whole.size(); ++n) CHECK_THROWS_AS(parse_pickle(whole.substr(0, n)), FormatError);
  int read = 0, refused = 0;
  for (std::size_t n = 0; n < whole.size(); ++n)
    for (int change = 1; change < 256; change += 3) {
      std::string other = whole;
      other[n] = static_cast<char>(other[n] ^ change);
      try {
        parse_pickle(other);
        ++read;
      } catch (const FormatError&) {
        ++refused;
      }
    }
  CHECK(read > 0);
  CHECK(refused > read);
}

TEST_CASE("what a pickle would call is refused by name where it matters and never called", "[io]") {
  const TemporaryFolder folder;
  const std::string command = "touch " + folder.path() + "/called";
  const std::string system = global("posix", "system") + text(command) + "\x85R";
  refuses(system + ".", "refused the result of global 'posix.system'");
  refuses(global("posix", "system") + ".", "refused global 'posix.system'");
  refuses(dict({{"model", system}}) + ".", "'model': refused the result of global 'posix.system'");
  refuses(dict({{"model", dict({{"w", system}})}}) + ".", "'w': refused the result of global 'posix.system'");
  refuses(dict({{"model", dict({{"w", tensor(system, integer(0), sizes({1}), sizes({1}))}})}}) + ".",
          "'w': expected a storage, found the result of global 'posix.system'");
  refuses(dict({{"model", dict({{"w", tensor(storage("UntypedStorage", "0", "K\1"), "K\1", sizes({1}), sizes({1}))}})}}) + ".",
          "'w': refused storage of global 'torch.UntypedStorage'");
  refuses(global("__builtin__", "eval") + text("1") + "\x85\x81.", "refused the result of global '__builtin__.eval'");
  const auto harmless =
      parse_pickle(dict({{"model", dict({{"w", byte_tensor(0, {1}, {1})}})}, {"criterion", system}, {"cfg", system}}) + ".");
  CHECK(values(harmless, "w") == std::vector<double>{1});
  CHECK(harmless.cfg_json.empty());
  CHECK(files_in(folder.path()) == 0);
}

TEST_CASE("pickles that break the machine are refused with the byte", "[io]") {
  refuses("", "the pickle ends early");
  refuses(".", "byte 2: a value is missing");
  refuses("}}.", "values are left");
  refuses("(}.", "values are left");
  refuses("0.", "a value is missing");
  refuses("t.", "a mark is missing");
  refuses("}(0000.", "a value is missing");
  refuses("h\5.", "memo 5 was never set");
  refuses("j\xff\xff\xff\xff.", "memo 4294967295 was never set");
  refuses("}r\xff\xff\xff\xff.", "memo 4294967295 follows 0");
  refuses(std::string("q\0.", 3), "a value is missing");
  refuses("\x8b\xff\xff\xff\x7f.", "the pickle ends early");
  refuses("X\xff\xff\xff\xff.", "the pickle ends early");
  refuses("cos.", "the pickle ends early");
  refuses("cos\nsystem", "the pickle ends early");
  refuses("}" + text("k") + "a.", "appended to what is no list");
  refuses("]" + text("k") + text("v") + "s.", "set on what is no dict");
  refuses("}(" + text("k") + "u.", "a key has no value");
  refuses("I1\n.", "opcode 73 is not one");
  refuses("\x82\1.", "opcode 130 is not one");
  refuses("N.", "found None");
  refuses("].", "found a list");
  CHECK_THROWS_WITH(parse(zip_of({{"a/data.pkl", "\x80\x04}."}})),
                    Contains("a/data.pkl: byte 0: expected a pickle of protocol 2"));
  CHECK(parse_pickle("}.").model.empty());
  CHECK(parse_pickle("}((01}0.").model.empty());
}

TEST_CASE("values deep in each other and values that repeat themselves end in a message", "[io]") {
  std::string deep = "}" + text("cfg") + "}" + text("x");
  for (int i = 0; i < 200000; ++i) deep += ']';
  for (int i = 1; i < 200000; ++i) deep += 'a';
  const std::string model = text("model") + "}s";
  refuses(deep + "ss" + model + ".", "nests deeper than 64");
  // a list in itself
  const std::string itself = std::string("]q\0h\0a", 6);
  refuses("}" + text("cfg") + "}" + text("x") + itself + "ss" + model + ".", "nests deeper than 64");
  // every list holds the one before twice: 2^40 values if written out
  std::string bomb = "}" + text("cfg") + "}" + text("x") + "]" + std::string("q\0", 2);
  for (int i = 1; i <= 40; ++i)
    bomb += std::string("0](h") + static_cast<char>(i - 1) + "h" + static_cast<char>(i - 1) + "eq" + static_cast<char>(i);
  refuses(bomb + "ss" + model + ".", "repeats its values far more often");
  // the same in a part that is not read
  const auto read = parse_pickle("}" + text("model") + dict({{"w", byte_tensor(0, {1}, {1})}}) + "s" + text("other") +
                                 std::string("]q\0h\0a", 6) + "s.");
  CHECK(read.model.size() == 1);
}

TEST_CASE("tensors that leave their storage are refused", "[io]") {
  const auto in_model = [](const std::string& value) { return dict({{"model", dict({{"w", value}})}}) + "."; };
  refuses(in_model(byte_tensor(0, {9}, {1})), "leave the storage of 8 values");
  refuses(in_model(byte_tensor(8, {1}, {1})), "leave the storage");
  refuses(in_model(byte_tensor(0, {2, 2}, {7, 2})), "leave the storage");
  refuses(in_model(byte_tensor(0, {2, 2, 2}, {2147483647, 2147483647, 2147483647})), "leave the storage");
  refuses(in_model(byte_tensor(-1, {1}, {1})), "expected an offset, found the number -1");
  refuses(in_model(byte_tensor(0, {-1}, {1})), "found the number -1");
  refuses(in_model(byte_tensor(0, {1}, {-1})), "found the number -1");
  refuses(in_model(byte_tensor(0, {1, 1}, {1})), "2 sizes but 1 strides");
  refuses(in_model(byte_tensor(0, std::vector<int>(17, 1), std::vector<int>(17, 1))), "at most 16 sizes");
  refuses(in_model(byte_tensor(0, std::vector<int>(3, 2147483647), {0, 0, 0})), "too many values");
  refuses(in_model(byte_tensor(0, {2147483647, 1000}, {0, 0})), "far more than the file holds");
  const auto with_size = [&](const std::string& type, const std::string& key, const std::string& size) {
    return in_model(tensor(storage(type, key, size), integer(0), sizes({1}), sizes({1})));
  };
  refuses(with_size("ByteStorage", "0", integer(9)), "expected a storage of 9 values of U8, found 8 bytes");
  refuses(with_size("DoubleStorage", "0", integer(2)), "expected a storage of 2 values of F64, found 8 bytes");
  refuses(with_size("DoubleStorage", "0", integer(-1)), "expected a storage of -1");
  refuses(with_size("DoubleStorage", "0", std::string("\x8a\x08") + le(std::int64_t{1} << 61)), "expected a storage of");
  refuses(with_size("ByteStorage", "../data.pkl", integer(1)), "storage '../data.pkl' is not in the archive");
  refuses(with_size("ByteStorage", "0", text("8")), "expected the key of a storage");
  refuses(with_size("ComplexFloatStorage", "0", integer(1)), "refused storage of global 'torch.ComplexFloatStorage'");
  refuses(in_model(tensor("NQ", integer(0), sizes({1}), sizes({1}))), "expected the key of a storage");
  refuses(dict({{"model", dict({{"w", byte_tensor(0, {1}, {1})}, {"w", byte_tensor(0, {1}, {1})}})}}) + ".",
          "'w': is there twice");
  refuses("}" + text("model") + "}K\1Nss.", "expected a name, found the number 1");
  CHECK(values(parse_pickle(in_model(byte_tensor(7, {1, 1}, {2147483647, 5}))), "w") == std::vector<double>{8});
  CHECK(parse_pickle(in_model(byte_tensor(100, {0, 5}, {5, 1}))).model.at("w").shape() == std::vector<Index>{0, 5});
}

TEST_CASE("other files are told from those of torch.save", "[io]") {
  CHECK_THROWS_WITH(parse(""), Contains("expected a ZIP archive, found 0 bytes"));
  CHECK_THROWS_WITH(parse("\x80\x02}."), Contains("torch before 1.6"));
  CHECK_THROWS_WITH(parse(std::string(100, 'x')), Contains("expected the directory of a ZIP archive"));
  CHECK_THROWS_WITH(parse(zip_of({{"word/document.xml", "<a/>"}})), Contains("not a file of torch.save"));
  CHECK_THROWS_WITH(parse(zip_of({{"a/data.pkl", ""}, {"b/data.pkl", ""}})), Contains("several members are called data.pkl"));
  CHECK_THROWS_WITH(parse(zip_of({{"a/byteorder", "big"}, {"a/data.pkl", "\x80\x02}."}})), Contains("found 'big'"));
  CHECK_NOTHROW(parse(zip_of({{"a/byteorder", "little"}, {"a/data.pkl", "\x80\x02}."}})));
  CHECK_THROWS_WITH(load_torch_checkpoint(file("none.pt")), Contains("none.pt: cannot be opened"));
}
