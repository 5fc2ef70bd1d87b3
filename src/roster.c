/*
 * Columns of a table of persons, by what stands above them.
 */
#include "roster_internal.h"

#include <ctype.h>
#include <string.h>

#include "cells.h"

/* The field's name, then what else headers call it. */
static const char *const names[ROSTER_FIELDS][12] = {
	[NAME] = { "name", "姓名", "名字", "居民姓名", "人员姓名" },
	[SEX] = { "sex", "性别", "gender" },
	[BORN_ON] = { "born_on", "出生日期", "出生年月日", "生日", "birth",
		      "birthday", "date_of_birth" },
	[PHONE] = { "phone", "手机", "手机号", "手机号码", "电话", "电话号码",
		    "联系电话", "联系方式", "mobile" },
	[ID_NUMBER] = { "id_number", "身份证", "身份证号", "身份证号码",
			"公民身份号码", "证件号码", "证件号", "idnumber",
			"id_card" },
	[DWELLING_ID] = { "dwelling_id", "房屋id", "房屋编号" },
	[ADDRESS] = { "address", "地址", "住址", "居住地址", "现住址",
		      "详细地址", "房屋地址" },
	[COMPOUND] = { "compound", "小区", "小区名称", "院落", "院落名称" },
	[BUILDING] = { "building", "楼栋", "栋", "幢", "楼栋号", "栋号",
		       "楼号" },
	[UNIT] = { "unit", "单元", "单元号" },
	[NUMBER] = { "number", "房号", "房间号", "门牌号", "室", "户室号" },
	[KIND] = { "kind", "居住类型", "人户关系", "居住性质", "住户类型" },
	[FROM_ON] = { "from_on", "入住日期", "入住时间", "迁入日期", "from" },
	[TAGS] = { "tags", "标签", "人员标签", "人员类别", "标识" },
	[TAG_REASON] = { "tag_reason", "标签说明", "标签原因" },
	[SOURCE_ID] = { "source_id", "人员编号", "记录编号", "唯一标识", "编号",
			"人员id", "id" },
};

const char *
roster_name(enum field f)
{
	return names[f][0];
}

int
roster_field(const char *name)
{
	for (int f = 0; f < ROSTER_FIELDS; f++)
		if (strcmp(names[f][0], name) == 0)
			return f;
	return -1;
}

/* Without stars, spaces and what stands in brackets: 手机号码（必填）* */
static char *
plain_header(struct arena *a, const char *text)
{
	char *s = cell_plain(a, text), *to = s;

	for (char *c = s; *c && *c != '('; c++)
		if (*c != '*')
			*to++ = (char)tolower((unsigned char)*c);
	*to = '\0';
	return s;
}

static int
field_of(struct arena *a, const char *header)
{
	const char *plain = plain_header(a, header);

	for (int f = 0; f < ROSTER_FIELDS; f++)
		for (int i = 0; i < 12 && names[f][i]; i++)
			if (strcmp(names[f][i], plain) == 0)
				return f;
	return -1;
}

/* What the sender said of this header, else what it says itself. */
static int
meant(struct arena *a, const char *header, const json_t *given)
{
	json_t *said = json_object_get(given, header);

	if (!said)
		return field_of(a, header);
	return json_is_string(said) ? roster_field(json_string_value(said))
				    : -1;
}

static const char *
missing(const struct roster *r, const char **detail)
{
	*detail = NULL;
	if (r->column[NAME] < 0)
		*detail = names[NAME][0];
	else if (r->column[SOURCE_ID] < 0)
		*detail = names[SOURCE_ID][0];
	else if (r->column[DWELLING_ID] < 0 && r->column[ADDRESS] < 0 &&
		 r->column[NUMBER] < 0)
		*detail = names[ADDRESS][0];
	return *detail ? "import_column_missing" : NULL;
}

const char *
roster_headers(struct roster *r, const struct table_row *row,
	       const json_t *given, const char **detail)
{
	struct arena *a = arena_new();

	for (int f = 0; f < ROSTER_FIELDS; f++)
		r->column[f] = -1;
	*detail = NULL;
	for (int i = 0; i < row->count && !*detail; i++) {
		int f = meant(a, row->cells[i], given);

		if (f < 0)
			continue;
		if (r->column[f] >= 0)
			*detail = names[f][0];
		r->column[f] = i;
	}
	arena_free(a);
	return *detail ? "import_column_twice" : missing(r, detail);
}

json_t *
roster_mapping(const struct roster *r, const struct table_row *row)
{
	json_t *made = json_object();

	for (int i = 0; i < row->count; i++)
		if (*row->cells[i])
			json_object_set_new(made, row->cells[i], json_null());
	for (int f = 0; f < ROSTER_FIELDS; f++)
		if (r->column[f] >= 0)
			json_object_set_new(made, row->cells[r->column[f]],
					    json_string(names[f][0]));
	return made;
}

