#include "kaon/transfer/code.h"

#include <algorithm>
#include <array>

#include "kaon/base/text.h"

namespace kaon::transfer {
namespace {

// Short, easy to say and to spell, far from each other in sound.
constexpr std::string_view kWordList =
    "abbey acid acorn actor agent album alley almond amber anchor angel ankle apple apron arrow atlas attic autumn "
    "badge bagel baker bamboo banjo barrel basil basket beacon beetle belfry bellows berry bishop blanket blossom "
    "bonfire bottle bramble brass breeze bridge bronze bubble bucket buffalo button cabin cactus camel candle canoe "
    "canyon carbon cargo castle cedar cellar cello chapel cherry chimney cider cinema citrus clover cobalt coffee "
    "comet compass copper coral cotton cradle crater crayon cricket crystal curtain cushion cymbal daisy desert "
    "diamond dinner dolphin domino donkey dragon drawer eagle easel echo eclipse ember emerald engine falcon feather "
    "fennel ferry fiddle fjord flannel flute forest fossil fountain galaxy garden garlic gazelle geyser ginger "
    "glacier goblet granite gravel guitar hammer hamster harbor harvest hazel helmet hermit heron hickory honey "
    "hornet igloo indigo iris island ivory jacket jasmine jigsaw jungle juniper kayak kernel kettle kitchen kiwi "
    "ladder lagoon lantern laurel lemon leopard lilac linen lizard lobster locket lotus lumber magnet mammoth mango "
    "maple marble meadow melon mirror mitten monsoon mosaic muffin museum mustard napkin nectar needle nickel nomad "
    "nutmeg oasis oboe ocean olive onion opal orchard otter oyster paddle panther parrot pearl pebble pepper piano "
    "pigeon pillow planet plaza pocket pollen poplar prairie pretzel pumpkin puzzle quartz quill quiver rabbit "
    "radish raven ribbon river rocket saddle saffron salmon sandal satin scarf shadow sherbet silver sonnet sparrow "
    "spinach squirrel stable summit sunset swallow tailor tango teapot temple thunder timber tomato trumpet tulip "
    "tunnel turnip turtle umbrella valley vanilla velvet violet violin walnut walrus willow window winter wizard "
    "yogurt zebra zipper";
constexpr size_t kListed = 256;

constexpr std::array<std::string_view, kListed> split(std::string_view list) {
  std::array<std::string_view, kListed> words;
  for (std::string_view& word : words) {
    word = list.substr(0, list.find(' '));
    list.remove_prefix(std::min(word.size() + 1, list.size()));
  }
  return words;
}
constexpr auto kListedWords = split(kWordList);
static_assert(kListedWords.back() == "zipper", "there are 256");

bool is_word_letter(char c) { return c >= 'a' && c <= 'z'; }

}  // namespace

Code Code::make(uint32_t mailbox, Random& random) {
  Code code{.mailbox = mailbox, .words = {}};
  for (size_t i = 0; i < kWords; ++i) {
    if (i != 0) code.words += '-';
    code.words += kListedWords[random.below(kListed)];
  }
  return code;
}

std::optional<Code> Code::parse(std::string_view text) {
  constexpr size_t kMaxText = 64;
  std::string clean;
  for (const char c : text) {
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
    clean += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  const size_t dash = clean.find('-');
  if (dash == std::string::npos || clean.size() > kMaxText) return std::nullopt;
  const auto mailbox = parse_number<uint32_t>(std::string_view(clean).substr(0, dash));
  std::string words = clean.substr(dash + 1);
  const bool legal = std::ranges::all_of(words, [](char c) { return is_word_letter(c) || c == '-'; }) &&
                     std::ranges::count(words, '-') == kWords - 1 && is_word_letter(words.front()) &&
                     is_word_letter(words.back());
  if (!mailbox || !legal) return std::nullopt;
  return Code{.mailbox = *mailbox, .words = std::move(words)};
}

std::string Code::to_string() const { return cat(mailbox, '-', words); }

}  // namespace kaon::transfer
