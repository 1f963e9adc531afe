// Seeded mutations of good files. tests/fuzz holds the same targets for libFuzzer, which goes deeper.
#include <string>
#include <vector>

#include <anylead/core/random.hpp>
#include <anylead/io/zip.hpp>
#include <fuzz/safetensors.hpp>
#include <fuzz/torch_pickle.hpp>
#include <support/catch.hpp>
#include <support/temporary_folder.hpp>

using namespace anylead;
using namespace anylead::io;

namespace {

/// One to four changes: a bit, a byte, a cut, a doubled part, or a part of another file.
std::string mutated(const std::vector<std::string>& files, std::uint64_t number) {
  const RandomStream random{.seed = 11, .step = number, .site = site_key("mutation")};
  std::uint64_t drawn = 0;
  const auto below = [&](std::size_t n) { return std::size_t{random.below(drawn++, static_cast<std::uint32_t>(n))}; };
  std::string bytes = files[below(files.size())];
  for (std::size_t changes = 1 + below(4); changes > 0 && !bytes.empty(); --changes) {
    const std::size_t at = below(bytes.size()), length = 1 + below(std::min<std::size_t>(bytes.size() - at, 16));
    switch (below(6)) {
      case 0:
        bytes[at] = static_cast<char>(bytes[at] ^ 1 << below(8));
        break;
      case 1:
        bytes[at] = static_cast<char>(below(256));
        break;
      case 2:
        bytes[at] = static_cast<char>(255);
        break;
      case 3:
        bytes.erase(at, length);
        break;
      case 4:
        bytes.insert(at, bytes.substr(below(bytes.size()), length));
        break;
      case 5: {
        const std::string& other = files[below(files.size())];
        bytes.replace(at, length, other.substr(below(other.size()), length));
        break;
      }
    }
  }
  return bytes;
}

template <class Target>
void survives(const std::vector<std::string>& files, int runs, Target target) {
  for (const std::string& file : files) CHECK(target(file.data(), file.size()));
  int read = 0;
  for (int i = 0; i < runs; ++i) {
    const std::string file = mutated(files, static_cast<std::uint64_t>(i));
    read += target(file.data(), file.size());
  }
  CHECK(read > 0);     // some changes hit numbers that may be any
  CHECK(read < runs);  // and some break the form
}

}  // namespace

TEST_CASE("mutated safetensors files are read or refused", "[io]") {
  const TemporaryFolder folder;
  Arrays arrays;
  arrays.add("weight", Array::of<float>({2, 3}, std::vector<float>(6, 1.5f)));
  arrays.add("mask", Array(DType::boolean, {2}, Bytes::copy_of("\1", 2)));
  arrays.add("step", Array::of<std::int64_t>({}, std::vector<std::int64_t>{7}));
  save_safetensors(folder / "a", arrays, {{"format", "pt"}});
  save_safetensors(folder / "b", {});
  survives({read_file(folder / "a"), read_file(folder / "b")}, 200000, fuzz_safetensors);
}

TEST_CASE("mutated files of torch.save are read or refused", "[io]") {
  const std::string folder = std::string(ANYLEAD_SOURCE_DIR) + "/tests/io/files/";
  std::vector<std::string> files;
  for (const char* name : {"plain.pt", "fairseq_like.pt", "shared.pt"}) files.push_back(read_file(folder + name));
  survives(files, 30000, fuzz_torch_pickle);
}

TEST_CASE("mutated pickles within a good archive are read or refused", "[io]") {
  const std::string file = std::string(ANYLEAD_SOURCE_DIR) + "/tests/io/files/shared.pt";
  std::vector<ZipMember> members;
  std::string* pickle = nullptr;
  const ZipArchive archive(Bytes::of_file(file), file);
  for (const auto& [name, bytes] : archive.members())
    members.push_back({name, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}});
  for (ZipMember& member : members)
    if (member.name.ends_with("data.pkl")) pickle = &member.data;
  REQUIRE(pickle);
  survives({*pickle}, 30000, [&](const char* data, std::size_t size) {
    pickle->assign(data, size);
    const std::string whole = zip_of(members);
    return fuzz_torch_pickle(whole.data(), whole.size());
  });
}
