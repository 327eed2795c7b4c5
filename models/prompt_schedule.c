// prompt_schedule.c - prompt editing and alternation.
//
//     start:      (prompt | one of []():)*                           prompt: (emphasized | scheduled | alternate | plain)*
//     emphasized: "(" prompt ")" | "(" prompt ":" prompt ")" | "[" prompt "]"
//     scheduled:  "[" [prompt ":"] prompt ":" [white space] number "]"
//     alternate:  "[" prompt ("|" prompt)+ "]"                       plain: anything but \[]():| , or \ and a character
//
// A text that this grammar does not derive (a | outside of an alternate, a \ at the end) is taken as it stands. One pass with a stack
// of open brackets: as prompts nest no stray bracket, the first one that closes nothing makes letters of all that are open.
#include "models/prompt.h"

#include "runtime/base/limits.h"
#include "runtime/base/text.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct item;
struct list {
    struct item *first, *last;
};

enum kind { TEXT, SCHEDULED, ALTERNATE };

struct item {
    struct item *next;
    enum kind kind;
    size_t begin, end;    // TEXT
    double when;          // SCHEDULED; at last a step
    uint32_t n;           // of options
    struct list *options; // SCHEDULED: before, after; ALTERNATE: in turn
};

struct segment { // between two separators of a frame
    struct segment *next;
    struct list items;
    char separator; // before it; 0: none
    size_t separator_at;
};

struct frame { // an open bracket
    size_t at;
    struct segment *first, *last;
    uint32_t n_colons, n_bars;
};

struct parser {
    struct daub_arena *arena;
    const char *text;
    size_t size;
    struct list top;
    struct frame frames[DAUB_MAX_PROMPT_NESTING];
    uint32_t n_frames;
    bool literal; // the grammar does not derive it
};

static daub_status no_memory(void)
{
    return daub_no_memory("a prompt");
}

static struct list *target(struct parser *p)
{
    return p->n_frames ? &p->frames[p->n_frames - 1].last->items : &p->top;
}

static void link_item(struct list *list, struct item *item)
{
    if (list->last)
        list->last->next = item;
    else
        list->first = item;
    list->last = item;
}

static void link_list(struct list *list, const struct list *more)
{
    if (!more->first)
        return;
    if (list->last)
        list->last->next = more->first;
    else
        list->first = more->first;
    list->last = more->last;
}

static daub_status add_text(struct parser *p, struct list *list, size_t begin, size_t end)
{
    if (list->last && list->last->kind == TEXT && list->last->end == begin) {
        list->last->end = end;
        return DAUB_OK;
    }
    struct item *item = daub_arena_alloc(p->arena, sizeof(*item));
    if (!item)
        return no_memory();
    *item = (struct item) { .kind = TEXT, .begin = begin, .end = end };
    link_item(list, item);
    return DAUB_OK;
}

static daub_status add_segment(struct parser *p, struct frame *f, char separator, size_t at)
{
    struct segment *s = daub_arena_alloc(p->arena, sizeof(*s));
    if (!s)
        return no_memory();
    *s = (struct segment) { .separator = separator, .separator_at = at };
    if (f->last)
        f->last->next = s;
    else
        f->first = s;
    f->last = s;
    return DAUB_OK;
}

// A frame's brackets and separators as letters.
static daub_status spell(struct parser *p, const struct frame *f, struct list *list)
{
    TRY(add_text(p, list, f->at, f->at + 1));
    for (const struct segment *s = f->first; s; s = s->next) {
        if (s->separator)
            TRY(add_text(p, list, s->separator_at, s->separator_at + 1));
        link_list(list, &s->items);
    }
    return DAUB_OK;
}

static daub_status spell_all(struct parser *p)
{
    for (uint32_t i = 0; i < p->n_frames; i++) {
        p->literal |= p->frames[i].n_bars > 0;
        TRY(spell(p, &p->frames[i], &p->top));
    }
    p->n_frames = 0;
    return DAUB_OK;
}

// ---- closing ---------------------------------------------------------------------------------------------------------

// "[before:after:number" or "[after:number", closed at `at`.
static bool is_scheduled(const struct parser *p, const struct frame *f, size_t at, double *when)
{
    if (p->text[f->at] != '[' || f->n_bars > 0 || f->n_colons < 1 || f->n_colons > 2)
        return false;
    size_t begin = f->last->separator_at + 1, end = at;
    daub_text_strip(p->text, &begin, &end);
    return end == at && daub_prompt_number(p->text + begin, at - begin, true, when);
}

static daub_status add_options(struct parser *p, struct list *to, const struct frame *f, struct item made)
{
    struct item *item = daub_arena_alloc(p->arena, sizeof(*item));
    if (!item)
        return no_memory();
    made.options = daub_arena_alloc(p->arena, made.n * sizeof(*made.options));
    if (!made.options)
        return no_memory();
    const struct segment *s = f->first;
    uint32_t i = 0;
    if (made.kind == SCHEDULED && f->n_colons == 1)
        made.options[i++] = (struct list) { 0 };
    for (; i < made.n; i++, s = s->next)
        made.options[i] = s->items;
    *item = made;
    link_item(to, item);
    return DAUB_OK;
}

static daub_status close(struct parser *p, size_t at)
{
    const char open = p->text[at] == ')' ? '(' : '[';
    double when = 0.0;
    if (p->n_frames == 0)
        return add_text(p, &p->top, at, at + 1);
    const struct frame f = p->frames[p->n_frames - 1];
    const bool matches = p->text[f.at] == open, square = open == '[';
    const bool scheduled = matches && is_scheduled(p, &f, at, &when);
    const bool alternate = matches && square && f.n_bars > 0 && f.n_colons == 0;
    const bool emphasized = matches && f.n_bars == 0 && f.n_colons <= (square ? 0u : 1u);
    if (!scheduled && !alternate && !emphasized) {
        TRY(spell_all(p));
        return add_text(p, &p->top, at, at + 1);
    }
    p->n_frames--;
    struct list *to = target(p);
    if (scheduled)
        return add_options(p, to, &f, (struct item) { .kind = SCHEDULED, .when = when, .n = 2 });
    if (alternate)
        return add_options(p, to, &f, (struct item) { .kind = ALTERNATE, .n = f.n_bars + 1 });
    TRY(spell(p, &f, to));
    return add_text(p, to, at, at + 1);
}

static daub_status separate(struct parser *p, size_t at)
{
    struct frame *f = p->n_frames ? &p->frames[p->n_frames - 1] : NULL;
    if (!f) {
        p->literal |= p->text[at] == '|';
        return add_text(p, &p->top, at, at + 1);
    }
    f->n_colons += p->text[at] == ':';
    f->n_bars += p->text[at] == '|';
    return add_segment(p, f, p->text[at], at);
}

static daub_status parse(struct parser *p)
{
    for (size_t at = 0; at < p->size && !p->literal;) {
        const char c = p->text[at];
        size_t end = at + 1;
        if (c == '(' || c == '[') {
            if (p->n_frames == DAUB_MAX_PROMPT_NESTING)
                return daub_fail(DAUB_ERROR_INVALID_ARG, "the prompt has more than %d brackets open at once",
                                 DAUB_MAX_PROMPT_NESTING);
            p->frames[p->n_frames++] = (struct frame) { .at = at };
            TRY(add_segment(p, &p->frames[p->n_frames - 1], 0, 0));
        } else if (c == ')' || c == ']') {
            TRY(close(p, at));
        } else if (c == ':' || c == '|') {
            TRY(separate(p, at));
        } else {
            if (c == '\\')
                end++;
            else
                while (end < p->size && !memchr("\\()[]:|", p->text[end], 7))
                    end++;
            p->literal |= end > p->size || (c == '\\' && p->text[at + 1] == '\n');
            TRY(add_text(p, target(p), at, end));
        }
        at = end;
    }
    return spell_all(p);
}

// ---- steps -----------------------------------------------------------------------------------------------------------

struct steps {
    uint32_t n;    // of the sampler
    bool all;      // each of them ends an entry
    int32_t *last; // of entries
    uint32_t n_last;
};

static uint32_t count_scheduled(const struct list *list)
{
    uint32_t n = 0;
    for (const struct item *item = list->first; item; item = item->next) {
        n += item->kind == SCHEDULED;
        for (uint32_t i = 0; i < item->n; i++)
            n += count_scheduled(&item->options[i]);
    }
    return n;
}

static daub_status collect(struct steps *steps, const struct list *list)
{
    for (struct item *item = list->first; item; item = item->next) {
        for (uint32_t i = 0; i < item->n; i++)
            TRY(collect(steps, &item->options[i]));
        steps->all |= item->kind == ALTERNATE;
        if (item->kind != SCHEDULED)
            continue;
        if (!(fabs(item->when) <= DBL_MAX))
            return daub_fail(DAUB_ERROR_INVALID_ARG, "the prompt changes a text at a step that is too large a number");
        double when = item->when < 1.0 ? item->when * steps->n : item->when;
        when = when > steps->n ? steps->n : when < -1e9 ? -1e9 : trunc(when);
        item->when = when;
        steps->last[steps->n_last++] = (int32_t)when;
    }
    return DAUB_OK;
}

static int by_value(const void *a, const void *b)
{
    const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return x < y ? -1 : x > y;
}

static char *write_at(const char *text, const struct list *list, int32_t step, char *to)
{
    for (const struct item *item = list->first; item; item = item->next) {
        if (item->kind == TEXT) {
            memcpy(to, text + item->begin, item->end - item->begin);
            to += item->end - item->begin;
        } else if (item->kind == SCHEDULED) {
            to = write_at(text, &item->options[step <= item->when ? 0 : 1], step, to);
        } else {
            const int32_t n = (int32_t)item->n, turn = ((step - 1) % n + n) % n;
            to = write_at(text, &item->options[turn], step, to);
        }
    }
    return to;
}

// The text into out->texts, unless it is there; its index.
static daub_status keep(struct daub_arena *arena, struct daub_prompt_schedule *out, const char *text, size_t n,
                        uint32_t *index)
{
    uint32_t i = 0;
    while (i < out->n_texts && (strlen(out->texts[i]) != n || memcmp(out->texts[i], text, n) != 0))
        i++;
    *index = i;
    if (i < out->n_texts)
        return DAUB_OK;
    if (i == DAUB_MAX_PROMPT_TEXTS)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "editing and alternation make more than %d texts of the prompt",
                         DAUB_MAX_PROMPT_TEXTS);
    char *copy = daub_arena_alloc(arena, n + 1);
    if (!copy)
        return no_memory();
    memcpy(copy, text, n);
    copy[n] = '\0';
    out->texts[out->n_texts++] = copy;
    return DAUB_OK;
}

static daub_status write_entries(struct parser *p, struct steps *steps, struct daub_prompt_schedule *out)
{
    qsort(steps->last, steps->n_last, sizeof(*steps->last), by_value);
    out->entries = daub_arena_alloc(p->arena, steps->n_last * sizeof(*out->entries));
    char *scratch = daub_arena_alloc(p->arena, p->size + 1);
    if (!out->entries || !scratch)
        return no_memory();
    for (uint32_t i = 0; i < steps->n_last; i++) {
        if (i > 0 && steps->last[i] == steps->last[i - 1])
            continue;
        struct daub_prompt_entry *entry = &out->entries[out->n_entries++];
        entry->last = steps->last[i];
        const size_t n = (size_t)(write_at(p->text, &p->top, entry->last, scratch) - scratch);
        TRY(keep(p->arena, out, scratch, n, &entry->text));
    }
    return DAUB_OK;
}

daub_status daub_prompt_schedule(struct daub_arena *arena, const char *text, uint32_t steps,
                                 struct daub_prompt_schedule *out)
{
    struct parser *p = daub_arena_alloc(arena, sizeof(*p));
    struct daub_prompt_schedule schedule = { .texts = daub_arena_alloc(arena, DAUB_MAX_PROMPT_TEXTS * sizeof(char *)) };
    if (!p || !schedule.texts)
        return no_memory();
    *p = (struct parser) { .arena = arena, .text = text, .size = strlen(text) };
    TRY(parse(p));
    if (p->literal) {
        p->top = (struct list) { 0 };
        TRY(add_text(p, &p->top, 0, p->size));
    }
    const size_t n = count_scheduled(&p->top);
    struct steps all = { .n = steps, .last = daub_arena_alloc(arena, (n + steps + 1) * sizeof(*all.last)) };
    if (!all.last)
        return no_memory();
    TRY(collect(&all, &p->top));
    for (uint32_t i = all.all ? 1 : steps; i <= steps; i++)
        all.last[all.n_last++] = (int32_t)i;
    TRY(write_entries(p, &all, &schedule));
    *out = schedule;
    return DAUB_OK;
}

uint32_t daub_prompt_at(const struct daub_prompt_schedule *schedule, uint32_t step)
{
    for (uint32_t i = 0; i < schedule->n_entries; i++)
        if ((int64_t)step <= schedule->entries[i].last)
            return schedule->entries[i].text;
    return schedule->entries[0].text; // as webui does beyond the last one
}
