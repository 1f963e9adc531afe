// With other.cpp: every header of the CPU library in two translation units of one program.
#include <anylead/anylead.hpp>
#include <anylead/cpu.hpp>
#include <anylead/data/loader.hpp>
#include <anylead/data/synthetic.hpp>
#include <anylead/report/html.hpp>

anylead::Device device_of_the_other_unit();

int main() { return anylead::cpu() == device_of_the_other_unit() ? 0 : 1; }
