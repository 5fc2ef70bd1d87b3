/*
 * Rows of a table of persons, by what stands in them. Phones and ID numbers
 * leave this file sealed.
 */
#include "roster_internal.h"

#include <string.h>

#include "cells.h"
#include "encode.h"
#include "seal.h"
#include "text.h"

#define NAME_LENGTH 64
#define SOURCE_ID_LENGTH 128

struct reading {
	const struct roster *r;
	const struct table_row *row;
	struct arena *a;
	struct evbuffer *out; /* what is good, until something is not */
	enum field at;
	const char *code;
	const char *id_number;
};

static const char *
cell(const struct reading *in, enum field f)
{
	int i = in->r->column[f];

	return i >= 0 && i < in->row->count ? in->row->cells[i] : "";
}

static void
put(struct evbuffer *out, const char *name, const char *text)
{
	evbuffer_add_printf(out, ",\"%s\":", name);
	encode_string(out, text, strlen(text));
}

static bool
fault(struct reading *in, enum field f, const char *code)
{
	in->at = f;
	in->code = code;
	return false;
}

/* An optional cell: empty is nothing, else what convert() makes of it. */
static bool
put_converted(struct reading *in, enum field f, const char *made,
	      const char *code)
{
	if (!*cell(in, f))
		return true;
	if (!made)
		return fault(in, f, code);
	put(in->out, roster_name(f), made);
	return true;
}

static bool
is_line(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7F)
			return false;
	return true;
}

static bool
put_text(struct reading *in, enum field f, size_t most)
{
	const char *text = cell(in, f);

	if (!*text)
		return fault(in, f, "cell_required");
	if (!is_line(text) || utf8_length(text, strlen(text)) > most)
		return fault(in, f, "cell_invalid");
	put(in->out, roster_name(f), text);
	return true;
}

static void
put_sealed(struct reading *in, enum field f, const char *text, const char *mask)
{
	const char *name = roster_name(f);

	put(in->out, name, seal(in->a, text, name));
	put(in->out, arena_printf(in->a, "%s_mask", name), mask);
	put(in->out, arena_printf(in->a, "%s_index", name),
	    blind_index(in->a, text, name));
}

static bool
put_phone(struct reading *in)
{
	const char *text = cell(in, PHONE), *made;

	if (!*text)
		return true;
	made = cell_phone(in->a, text);
	if (!made)
		return fault(in, PHONE, "phone_invalid");
	put_sealed(in, PHONE, made, mask_phone(in->a, made));
	return true;
}

static bool
put_id_number(struct reading *in)
{
	const char *text = cell(in, ID_NUMBER), *made;

	if (!*text)
		return true;
	made = in->id_number = cell_id_number(in->a, text);
	if (!made)
		return fault(in, ID_NUMBER, "id_number_invalid");
	put_sealed(in, ID_NUMBER, made,
		   arena_printf(in->a, "%.3s***************", made));
	return true;
}

/* What the ID number says stands for what the row leaves out. */
static bool
put_birth(struct reading *in)
{
	const char *id = in->id_number, *text = cell(in, BORN_ON);
	const char *born = NULL, *said = NULL;

	if (id)
		said = arena_printf(in->a, "%.4s-%.2s-%.2s", id + 6, id + 10,
				    id + 12);
	if (*text && !(born = cell_date(in->a, text, in->r->days)))
		return fault(in, BORN_ON, "date_invalid");
	if (born && said && strcmp(born, said) != 0)
		return fault(in, BORN_ON, "id_number_mismatch");
	if (born || said)
		put(in->out, roster_name(BORN_ON), born ? born : said);
	return true;
}

static bool
put_sex(struct reading *in)
{
	const char *text = cell(in, SEX), *sex = NULL, *said = NULL;

	if (in->id_number)
		said = (in->id_number[16] - '0') % 2 ? "male" : "female";
	if (*text && !(sex = cell_sex(in->a, text)))
		return fault(in, SEX, "sex_unknown");
	if (sex && said && strcmp(sex, said) != 0)
		return fault(in, SEX, "id_number_mismatch");
	if (sex || said)
		put(in->out, roster_name(SEX), sex ? sex : said);
	return true;
}

/* "3" of a building is 3栋. */
static const char *
part(const struct reading *in, enum field f, const char *unit)
{
	const char *text = cell_plain(in->a, cell(in, f));
	bool bare = *text && strspn(text, "0123456789") == strlen(text);

	return bare ? arena_printf(in->a, "%s%s", text, unit) : text;
}

static bool
put_place(struct reading *in)
{
	const char *id = cell(in, DWELLING_ID), *address = cell(in, ADDRESS);

	if (*id) {
		if (!uuid_valid(id))
			return fault(in, DWELLING_ID, "dwelling_not_found");
		put(in->out, roster_name(DWELLING_ID), id);
		return true;
	}
	if (!*address && *cell(in, NUMBER))
		address = arena_printf(in->a, "%s%s%s%s", cell(in, COMPOUND),
				       part(in, BUILDING, "栋"),
				       part(in, UNIT, "单元"),
				       cell(in, NUMBER));
	if (*address)
		put(in->out, "place", address);
	return true;
}

/* 独居老人、退役军人 → two of them. */
static void
put_tags(struct reading *in)
{
	static const char *const between[] = { "、", "，", "；", ",", ";",
					       "|", "/" };
	char *text = arena_strdup(in->a, cell(in, TAGS)), *save, *tag;
	const char *comma = "";

	if (!*text)
		return;
	for (size_t i = 0; i < sizeof(between) / sizeof(between[0]); i++)
		for (char *c; (c = strstr(text, between[i]));)
			memset(c, '\n', strlen(between[i]));
	evbuffer_add_printf(in->out, ",\"tags\":[");
	for (tag = strtok_r(text, "\n", &save); tag;
	     tag = strtok_r(NULL, "\n", &save), comma = ",") {
		evbuffer_add_printf(in->out, "%s", comma);
		encode_string(in->out, tag, strlen(tag));
	}
	evbuffer_add(in->out, "]", 1);
	if (*cell(in, TAG_REASON))
		put(in->out, roster_name(TAG_REASON), cell(in, TAG_REASON));
}

static void
put_digest(struct reading *in)
{
	struct evbuffer *all = evbuffer_new();

	for (int f = 0; f < ROSTER_FIELDS; f++)
		if (*cell(in, f))
			evbuffer_add_printf(all, "%s=%s\n", roster_name(f),
					    cell(in, f));
	evbuffer_add(all, "", 1);
	put(in->out, "digest",
	    keyed_hash(in->a, (char *)evbuffer_pullup(all, -1), "import_row"));
	evbuffer_free(all);
}

static bool
put_all(struct reading *in)
{
	if (!put_text(in, NAME, NAME_LENGTH) || !put_id_number(in) ||
	    !put_phone(in) || !put_birth(in) || !put_sex(in) ||
	    !put_place(in) ||
	    !put_converted(in, KIND, cell_kind(in->a, cell(in, KIND)),
			   "kind_unknown") ||
	    !put_converted(in, FROM_ON,
			   cell_date(in->a, cell(in, FROM_ON), in->r->days),
			   "date_invalid"))
		return false;
	put_tags(in);
	put_digest(in);
	return true;
}

void
roster_row(const struct roster *r, const struct table_row *row, struct arena *a,
	   struct evbuffer *out)
{
	struct reading in = { .r = r, .row = row, .a = a,
			      .out = evbuffer_new() };
	bool good;

	evbuffer_add_printf(out, "{\"line\":%d", row->line);
	good = put_text(&in, SOURCE_ID, SOURCE_ID_LENGTH);
	if (good) {
		evbuffer_add_buffer(out, in.out);
		good = put_all(&in);
	}
	if (good) {
		evbuffer_add_buffer(out, in.out);
	} else {
		put(out, "field", roster_name(in.at));
		put(out, "code", in.code);
	}
	evbuffer_add(out, "}", 1);
	evbuffer_free(in.out);
}
