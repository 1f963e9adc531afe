#include <anylead/anylead.hpp>
#include <anylead/cpu.hpp>
#include <anylead/data/loader.hpp>
#include <anylead/data/synthetic.hpp>
#include <anylead/report/html.hpp>

anylead::Device device_of_the_other_unit() { return anylead::cpu(); }
