/*
 * toml++ keeps tables as maps and throws; here it is compiled without exceptions, header-only (Debian's shared library
 * needs them), and what it made is copied into plain C nodes in the order of the file. Its stream formatters are off:
 * they would pull in iostream's start-up.
 */
/*
 * Some of its assertions are about the input ("[!" fails one) and under NDEBUG they turn into assumptions of the
 * optimiser, although the code behind them reports the error properly. So they are neither.
 */
#undef NDEBUG
#define TOML_ASSERT(expr) static_cast<void>(0)
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/impl/forward_declarations.h>
/* What it calls unreachable is reached: by "é" outside of a text, in is_non_ascii_horizontal_whitespace. */
#undef TOML_UNREACHABLE
#define TOML_UNREACHABLE return false
#include <toml++/impl/unicode.h>
#undef TOML_UNREACHABLE
#define TOML_UNREACHABLE __builtin_unreachable()
#include <toml++/toml.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "pipeline/engine/toml.h"

namespace
{

struct place place_of(const toml::source_position &p)
{
    return {p.line, p.column};
}

bool before(const toml_node *a, const toml_node *b)
{
    if (a->key_place.line != b->key_place.line)
        return a->key_place.line < b->key_place.line;
    return a->key_place.column < b->key_place.column;
}

/* The source text, for numbers and dates as they were written. */
class Source
{
  public:
    Source(std::string_view text, arena *a) : arena_(a), text_(text)
    {
        if (text.substr(0, 3) == "\xef\xbb\xbf")
            text_.remove_prefix(3);
        lines_.push_back(0);
        for (size_t i = 0; i < text_.size(); i++)
            if (text_[i] == '\n')
                lines_.push_back(i + 1);
    }

    toml_node *copy(const toml::node &from)
    {
        auto *node = static_cast<toml_node *>(arena_alloc(arena_, sizeof(toml_node)));
        *node = toml_node{};
        node->place = place_of(from.source().begin);
        node->end = place_of(from.source().end);
        switch (from.type()) {
        case toml::node_type::table:
            node->kind = TOML_TABLE;
            copy_members(node, *from.as_table());
            break;
        case toml::node_type::array:
            node->kind = TOML_ARRAY;
            copy_elements(node, *from.as_array());
            break;
        case toml::node_type::string:
            node->kind = TOML_STRING;
            node->text = keep(from.as_string()->get());
            break;
        case toml::node_type::integer:
            node->kind = TOML_INTEGER;
            node->text = written(from.source());
            break;
        case toml::node_type::floating_point:
            node->kind = TOML_FLOAT;
            node->text = written(from.source());
            break;
        case toml::node_type::boolean:
            node->kind = TOML_BOOLEAN;
            node->text = from.as_boolean()->get() ? str_of("true") : str_of("false");
            break;
        default:
            node->kind = TOML_DATE;
            node->text = written(from.source());
            break;
        }
        return node;
    }

  private:
    struct str keep(std::string_view text)
    {
        return arena_str(arena_, {text.data(), text.size()});
    }

    /* Byte offset of a place; columns count characters. */
    size_t offset(const toml::source_position &p) const
    {
        if (p.line == 0 || p.line > lines_.size())
            return text_.size();
        size_t at = lines_[p.line - 1];
        for (toml::source_index column = 1; column < p.column && at < text_.size(); column++) {
            at++;
            while (at < text_.size() && (static_cast<unsigned char>(text_[at]) & 0xc0) == 0x80)
                at++;
        }
        return at;
    }

    struct str written(const toml::source_region &where)
    {
        size_t from = offset(where.begin), to = offset(where.end);
        return keep(text_.substr(from, to > from ? to - from : 0));
    }

    void copy_members(toml_node *node, const toml::table &table)
    {
        std::vector<toml_node *> members;
        for (auto &&[key, value] : table) {
            toml_node *member = copy(value);
            std::string name(key.str());
            std::replace(name.begin(), name.end(), '\0', '?'); /* no known name has one */
            member->key = keep(name).data;
            member->key_place = place_of(key.source().begin);
            member->key_length = std::max(1u, key.source().end.column - key.source().begin.column);
            members.push_back(member);
        }
        std::stable_sort(members.begin(), members.end(), before);
        toml_node **last = &node->children;
        for (toml_node *member : members) {
            *last = member;
            last = &member->next;
        }
    }

    void copy_elements(toml_node *node, const toml::array &array)
    {
        toml_node **last = &node->children;
        for (auto &element : array) {
            *last = copy(element);
            last = &(*last)->next;
        }
    }

    arena *arena_;
    std::string_view text_;
    std::vector<size_t> lines_;
};

/* "Error while parsing string: …" says where in the grammar, which the caret shows. */
void describe(const toml::parse_error &from, toml_error *err)
{
    std::string_view text = from.description();
    if (text.substr(0, 20) == "Error while parsing ") {
        size_t colon = text.find(": ");
        if (colon != text.npos)
            text.remove_prefix(colon + 2);
    }
    size_t len = std::min(text.size(), sizeof err->text - 1);
    memcpy(err->text, text.data(), len);
    err->text[len] = '\0';
    const toml::source_region &where = from.source();
    err->place = place_of(where.begin);
    err->length = 1;
    if (where.end.line == where.begin.line && where.end.column > where.begin.column)
        err->length = where.end.column - where.begin.column;
}

/* TOML allows none outside of escapes; toml++ overlooks some. */
bool has_control_character(std::string_view text, toml_error *err)
{
    struct place at = {1, 1};
    for (size_t i = 0; i < text.size(); i++) {
        auto c = static_cast<unsigned char>(text[i]);
        bool line_end = c == '\n' || (c == '\r' && i + 1 < text.size() && text[i + 1] == '\n');
        if ((c < 0x20 && c != '\t' && !line_end) || c == 0x7f) {
            snprintf(err->text, sizeof err->text, "a control character (0x%02x) in the file", c);
            err->place = at;
            err->length = 1;
            return true;
        }
        if (c == '\n')
            at = {at.line + 1, 1};
        else if ((c & 0xc0) != 0x80)
            at.column++;
    }
    return false;
}

} // namespace

struct toml_node *toml_parse(struct str text, struct arena *arena, struct toml_error *err)
{
    std::string_view bytes(text.data, text.len);
    if (has_control_character(bytes, err))
        return nullptr;
    toml::parse_result result = toml::parse(bytes);
    if (!result) {
        describe(result.error(), err);
        return nullptr;
    }
    return Source(bytes, arena).copy(result.table());
}
