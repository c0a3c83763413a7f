//! The longer part of each command's help: examples first, then what needs explaining.

/// After the list of commands.
pub(crate) const PROGRAM: &str = r#"STORE is a directory, a file: URL of one, as file:///data, or an address of a bucket, as s3://bucket/prefix.

Examples:
  sidx ingest ./store rows.ndjson --index events --format ndjson
  sidx query ./store --index events --keys 100..200 --where 'status = 500' --limit 20
  sidx stats ./store --index events
  sidx retain ./store --index events --below 100 --dry-run
  sidx indexes ./store

Exit codes: 0 done, 1 other error, 2 wrong usage or bad input, 3 not found, 4 conflict or lock held,
5 corrupt data found, 6 resource or limit, 7 deadline or cancelled, 130 and 143 a load was ended by
SIGINT or SIGTERM. Warnings go to stderr, each a line that begins with "sidx: warning: "."#;

/// `sidx ingest`
pub(crate) const INGEST: &str = r#"Examples:
  sidx ingest ./store rows.ndjson --index events --format ndjson
  zcat flights.csv.gz | sidx ingest ./store - --index delays --format csv \
      --series carrier --key dep_delay --skip-missing-key \
      --tag origin --tag distance:int --tag left:timestamp=time_hour --payload row
  sidx query ./a --index i | sidx ingest ./b --index i --format ndjson

NDJSON: one object per line,
  {"series": "UA", "key": -12, "tags": {"status": 500, "codes": [1, 2]}, "payload": "text"}
  series   text is a label, a number an id
  key      an integer from -9223372036854775808 to 9223372036854775807
  tags     may be left out; 1 is an int, 1.0 and 1e3 are floats, then true, "text" and arrays of
           one of these; [1, 2.5] is an array of floats; null is an absent tag. What JSON cannot
           tell apart is wrapped in its type: {"timestamp": "2013-01-01T10:00:00Z"},
           {"base64": "AAEC"} for bytes, {"float": "NaN"} (also "inf" and "-inf"),
           {"int": []} for an empty array; a plain [] has the type of the last array that this
           tag had before it in the load, whatever the batches; else that of the tag's arrays in
           the index, if they have one type; else string[]
  payload  text, or {"base64": "..."}; may be left out
A field or tag that stands twice in a row is refused, and so is the series "".

CSV: the first line names the fields. --key and --series or --series-id are needed. An empty field,
or one with the text of a --null, is an absent tag; without a TYPE a tag is a string. An array
field holds a JSON array. A field that is used, and with --payload row any, must be there once.
Lines end in LF, CR LF or CR; a last line without one is taken as whole, and a quote that is open at
the end of the input is an error. A UTF-8 byte order mark in front is left out, with NDJSON too.

Mapping: --series, --series-id, --key, --tag and --payload name the fields to use. With NDJSON each
replaces its part of the object above by a top-level field (any --tag replaces "tags"), and fields
that no mapping names are ignored. TYPE is string, int, float, bool (true, false, 1, 0 in any case),
bytes (base64), timestamp, or one of these with [] for an array. A mapped field may hold a number as
text. In NDJSON a number in the --series field is an id. FIELD is NAME when it is left out.

Numbers are read digit by digit and never rounded:
  NUMBER     [+|-] DIGITS [. [DIGITS]] or [+|-] . DIGITS, then [e [+|-] DIGITS]
  key, int   a NUMBER that is whole, as 517.0, 9007199254740993e0 and 15e-1 is not; from
             -9223372036854775808 to 9223372036854775807; -0 is 0
  id         a NUMBER that is whole, from 0 to 18446744073709551615
  float      the nearest double of a NUMBER with a point or an exponent; digits alone only if a
             double holds them exactly; too large for a double, or so small that only 0 is left, is
             refused; also nan, inf and infinity in any case, with or without a sign
  timestamp  RFC 3339, YYYY-MM-DDThh:mm:ss[.DIGITS] and Z or +hh:mm or -hh:mm (t, a space and z
             too), years 1677 to 2262; or whole nanoseconds since 1970, as an int. Refused: digits
             other than 0 behind the ninth of the second; leap seconds, which have no number of
             their own in nanoseconds since 1970; offsets of a day and more; other ISO 8601
             forms, such as 20130101T100000Z

--disk and --min-free bound what the index takes, and what it leaves of the medium. A load that
reaches a bound ends with exit code 6; the rows before are in the index, and there is still room for
`sidx flush`, which is what makes more.

A load that stops at a bad line, because the medium is full, or for any other reason, says on stderr
how many rows are in, up to which line, and how to go on: the same input again with --skip-rows N,
which passes over the first N rows (rows that --skip-missing-key skips are none). Never load it
again without. The last line on stdout counts what this load brought in: {"ingested": N, "skipped": M,
"elapsed_ms": T}. After a kill -9 the last {"acknowledged": N} of --ack is what can be relied on;
`sidx stats` tells the rows there are.

Rows wait for others of their batch for a second at most while the input pauses, so that a
`tail -f log | sidx ingest` is never far behind. SIGINT and SIGTERM end the input: whole rows that
were read are written and counted, half a row at the end is left out, and the exit code is 130 or
143, as the input need not have been at its end. A second signal ends the process at once."#;

/// `sidx query`
pub(crate) const QUERY: &str = r#"Examples:
  sidx query ./store --index delays --series UA --order desc --limit 20
  sidx query ./store --index delays --keys -10..=0 --where 'origin in ("EWR", "JFK")'
  sidx query ./store --index delays --where 'status = 500 and not (endpoint starts with "/api")'
  sidx query ./store --index delays --select origin,dest --no-payload --format csv
  sidx query ./store --index delays --where-file flights-of-interest.filter
  sidx query ./store --index delays --where 'origin = $o and distance > $d' \
      --param o=EWR --param d=500 --count

EXPR: TAG = 1, != < <= > >=, TAG in (1, 2), TAG not in ("a"), TAG ~ "regex", TAG !~ "regex",
TAG starts with "x", TAG contains all (1, 2), TAG contains any ("a"), exists(TAG), joined by and,
or, not and parentheses. Literals: 1, 1.5, "text", true, false, timestamp("2013-01-01T10:00:00Z"),
bytes("base64"). A tag name that is not a plain word stands in backquotes: `http status` = 500.
A filter may have 1 MiB, but systems limit the arguments of a command, Linux each to 128 KiB:
--where-file reads it from a file, or from standard input with -.

Where a literal may stand a filter may have a parameter, as $o, which --param gives its value. A
VALUE that is written as a literal of EXPR has that type, as 500, -2.5, true, "text" and
timestamp("2013-01-01T10:00:00Z"), and a mistake in one is an error; any other is a string as it
stands, as EWR. A string that looks like a literal needs quotes: --param 's="500"'. Values are
never converted, and nothing of them is read as a filter. NAME stands without its $, which in EXPR
the shell leaves alone only within single quotes.

--count prints the number of the rows alone. What only says how rows are printed (--select,
--no-payload) makes no difference to it, but with --allow-partial, where a row counts of which all
that is asked for can be read; --format and --explain are refused.

NDJSON has the shape that `sidx ingest` reads, and loses nothing. CSV has the columns series, key,
one for each tag, and payload; absent and empty look the same there, and a payload that is not UTF-8
is written as base64:... Every column has a name of its own: a tag called series, key, payload or
tag:... has tag: in front of it, and `sidx ingest --tag key:int=tag:key` reads it back. A series
whose label is empty is printed as its id.

Rows come in key order; equal keys by series, then by arrival; --order desc is the exact reverse.
With --order any they come as they lie, which is by far the fastest way to read many of them.
A query that is stopped ends with a non-zero exit code: a short result never looks whole."#;

/// `sidx flush`
pub(crate) const FLUSH: &str = r#"Example:
  sidx flush ./store --index delays

Nothing is lost without a flush: acknowledged rows are in the log. A flush makes the next opening
faster, and where the disk is full it makes room: it needs what was kept free for it, and gives the
log back. It prints one JSON line with the parts before and after."#;

/// `sidx merge`
pub(crate) const MERGE: &str = r#"Examples:
  sidx merge ./store --index delays
  sidx merge ./store --index delays --all

Few parts make queries faster. It may be stopped at any moment without harm, and prints one JSON
line with the parts, rows and bytes before and after. A damaged part stays as it is and its
neighbours are merged without it: "left_out" counts such parts, each is named on stderr, and the
exit code is 5; `sidx repair` saves what can be read of them. A merge needs room for its output
beside its inputs: with a tenth of --disk left or less, or near --min-free, it ends with exit
code 6."#;

/// `sidx retain`
pub(crate) const RETAIN: &str = r#"Examples:
  sidx retain ./store --index delays --below 1700000000000000000 --dry-run
  sidx retain ./store --index delays --below 1700000000000000000
  sidx retain ./store --index delays --where 'status = 200 and not exists(trace)'

Drops rows for good: those with keys below KEY, and those for which EXPR is true; with both, rows
that either names. A test of a tag that a row lacks is false: `status != 200` leaves such rows
alone, `not status = 200` drops them. Rows that were not flushed are included. --dry-run tells first
what would go, beside a writer too.

Parts that lose every row go at once, and unread where their key range or the limits of their tags
tell; the others are rewritten one at a time, which needs the room of one part. It may be stopped at
any moment and run again. A part that cannot be rewritten does not hinder the others; the exit code
then says why, and the message what is left.

Prints rows and parts as JSON, or a table on a terminal."#;

/// `sidx verify`
pub(crate) const VERIFY: &str = r#"Example:
  sidx verify ./store --index delays

Changes nothing. The exit code is 5 when damage was found, and the report says where; `sidx repair`
saves what can be saved."#;

/// `sidx repair`
pub(crate) const REPAIR: &str = r#"Examples:
  sidx repair ./store --index delays
  sidx repair ./store --index delays --accept-loss

Reads everything. What is damaged moves to quarantine/ inside the index, untouched, with the reason
beside it; every row that can be read whole goes into new parts. The report names what was damaged,
what was saved, and which series and key ranges have lost rows. Queries that touch these fail with
exit code 5, or return what is left with --allow-partial, until the loss is accepted.

A sound index stays as it is. The exit code is 5 while a loss is not accepted."#;

/// `sidx indexes`
pub(crate) const INDEXES: &str = r#"Examples:
  sidx indexes ./store
  sidx indexes ./store --format ndjson

One line per index: its kind, rows, bytes on the disk, epoch (durable changes so far), parts in files
and memory_parts that the log still carries, and how many damaged parts were set aside. Takes no
lock: a writer may be at work. An index that cannot be opened has its error_kind and error instead, and the
exit code is that of the error, 5 if any is damaged."#;

/// `sidx drop`
pub(crate) const DROP: &str = r#"Examples:
  sidx drop ./store --index delays
  sidx drop ./store --index delays --yes

On a terminal it asks for the name of the index; elsewhere nothing is removed without --yes. Damaged
indexes may be dropped too. An index that is open for writing is not (exit code 4). Who reads it goes
on, and its files stay until that one has ended and it is dropped once more. Prints one JSON line with
the rows and bytes that are gone; rows is null for an index that could not be opened. There is no way
back: take a `sidx backup` first.

A drop that is interrupted leaves the whole index, or none and files that the next drop of the name
removes. A handful of small files stay for ever: they keep out a writer that may only sleep."#;

/// `sidx gc`
pub(crate) const GC: &str = r#"Examples:
  sidx gc s3://bucket/prefix --index delays
  sidx gc s3://bucket/prefix --index delays --apply

A writer removes what it replaces, and each command that writes what those before it left. This tells what
is there nevertheless: what readers have kept, what a writer left that died, and copies and drops that did
not come to their end. Prints one JSON object: `parts`, `snapshots`, `copies` and `dropped` are names in the
store, `pinned_epochs` what readers and branches hold. With --apply what can go is removed, and the object
has what is gone. An index that is open for writing is left to its writer (exit code 4), which looks every
minute in a bucket. Pins of readers that died are given up after their time, so what they kept goes the
second time."#;

/// `sidx parts`
pub(crate) const PARTS: &str = r#"Examples:
  sidx parts ./store --index delays
  sidx parts ./store --index delays --format json"#;

/// `sidx stats`
pub(crate) const STATS: &str = r#"Examples:
  sidx stats ./store --index delays
  sidx stats ./store --index delays --format json"#;

/// `sidx backup`
pub(crate) const BACKUP: &str = r#"Examples:
  sidx backup ./store --index delays /mnt/backup
  sidx query /mnt/backup --index delays --limit 3

STORE and DEST are directories or buckets. The copy holds what was acknowledged when the command
began, also while another process writes the index. Files are hard links where DEST is on the same
file system. There must be no index of that
name in DEST. A copy that was interrupted is no index, and the next backup clears it away. To
restore, open the copy, or back it up to where it is needed. Prints one JSON line. Files that are
missing in the index ("missing_files") and parts that were set aside as damaged are not in the copy:
the exit code is 5 then, and everything else is copied."#;

/// `sidx copy`
pub(crate) const COPY: &str = r#"Examples:
  sidx copy ./store s3://bucket/prefix
  sidx copy s3://bucket/prefix ./store --index delays
  sidx copy ./store ./store --index delays --to delays-of-may

Copies one index, or all, between any two stores, without decoding anything, also while another
process writes them. Every file is compared with what was written as it passes; `sidx verify` checks
the copy once more. Prints one JSON line for each index when it is whole.

The first error ends it. The same command goes on where one was stopped, by an error, a signal or the
end of the machine: files that are there ("kept_files") are not copied again, and an index that is
there whole is left as it is ("already_there"), also where its original was written to since: drop it
to copy it anew. An index of that name which is no copy of this one is a conflict. Until a copy is
whole there is no index of its name. After a kill the service of a bucket keeps others off the place
for a lease, some seconds.

A damaged file ends it with exit code 5: `sidx repair` the index first, or take a `sidx backup`, which
takes it as it is. Parts that were set aside ("quarantined") are not in the copy, as they are not in
the index; what is lost is known to both.

In a bucket each part is one file, and from a bucket to a directory a folder of files; between two
directories, or two buckets, parts keep their form."#;

/// `sidx branch`
pub(crate) const BRANCH: &str = r#"Examples:
  sidx branch ./store --index delays --to trial
  sidx merge ./store --index trial --all

The branch has what was acknowledged when the command began, also while another process writes the
index, and is an index like any other from then on: neither shows anything of what becomes of the other.
No part is copied. Those that both share stay in the place of the first one until the branch has merged or
dropped them, and until then that one can't be dropped. Prints one JSON line."#;

/// `sidx dump`
pub(crate) const DUMP: &str = r#"Example:
  sidx dump ./store --index delays > rows.ndjson

Each line is a row as `sidx query` prints it, with "part" and "row" (its ordinal in the part) in
front. `sidx ingest --format ndjson` reads the lines back and ignores these two. Rows that are dead, in an
index that has any, are among them."#;
