// Saves a layer with component io and loads it into another one.
#include <anylead/anylead.hpp>
#include <anylead/cpu.hpp>
#include <anylead/io.hpp>
#include <anylead/io/state_dict.hpp>

int main() {
  using namespace anylead;
  nn::Linear<float> saved(3, 2), loaded(3, 2);
  nn::init(saved, {.seed = 1, .device = cpu()});
  nn::init(loaded, {.seed = 2, .device = cpu()});
  io::save_safetensors("layer.safetensors", io::state_dict(saved));
  io::load_state_dict(loaded, io::load_safetensors("layer.safetensors").arrays, "layer.safetensors",
                      {.device = cpu(), .prefix = ""});
  const auto a = nn::parameters<float>(saved), b = nn::parameters<float>(loaded);
  return a[0].leaf->value.to_host() == b[0].leaf->value.to_host() ? 0 : 1;
}
