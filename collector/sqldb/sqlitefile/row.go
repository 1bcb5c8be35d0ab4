package sqlitefile

import (
	"encoding/binary"
	"math"
	"strconv"
)

// A Row is a row of a Scan. It and its values are valid until the function that
// was given it returns.
type Row struct {
	scan   *scan
	wanted []int   // by number of the column: its place in fields, -1 for none
	fields []field // as asked for
	number []byte  // decimal digits of values that are numbers
	err    error

	page  uint32
	local []byte // the payload, as far as it is on the leaf
	size  uint64 // of the payload
	rest  uint32 // the page on which the payload goes on
	whole []byte // the payload, once it was put together
	buf   []byte // one page
}

// field is where in the payload a value is.
type field struct {
	kind     uint64 // its serial type
	from, to uint64
}

// Serial types (section 2.1). From 12 on they are a blob or text and its size.
const (
	null        = 0
	float       = 7
	zero, one   = 8, 9
	firstBytes  = 12
	integerMost = 6
)

// want says which columns to find.
func (r *Row) want(columns []int) {
	last := -1
	for _, c := range columns {
		last = max(last, c)
	}
	r.wanted = make([]int, last+1)
	for i := range r.wanted {
		r.wanted[i] = -1
	}
	for i, c := range columns {
		r.wanted[c] = i
	}
	r.fields = make([]field, len(columns))
}

// begin finds the values of a row: a record (section 2) is a header with its
// own size and the serial types of all columns, and then the values.
func (r *Row) begin(page uint32, local []byte, size uint64, rest uint32) error {
	r.page, r.local, r.size, r.rest = page, local, size, rest
	r.whole, r.number, r.err = r.whole[:0], r.number[:0], nil
	headerSize, n := varint(local)
	if n == 0 || headerSize < uint64(n) || headerSize > size {
		return malformed(page, "a row has no header")
	}
	if headerSize > uint64(len(local)) {
		if r.local = r.together(); r.err != nil {
			return r.err
		}
	}
	header, at := r.local[n:headerSize], headerSize
	for _, place := range r.wanted {
		f := field{kind: null}
		// Rows from before ALTER TABLE ADD COLUMN end early.
		if len(header) > 0 {
			kind, n := varint(header)
			header = header[n:]
			length, ok := length(kind)
			if n == 0 || !ok || length > size-at {
				return malformed(page, "the header of a row is wrong")
			}
			f = field{kind, at, at + length}
			at = f.to
		}
		if place >= 0 {
			r.fields[place] = f
		}
	}
	return nil
}

// length returns that of a value of a serial type, false if there is none such.
func length(kind uint64) (n uint64, ok bool) {
	switch {
	case kind >= firstBytes:
		return (kind - firstBytes) / 2, true
	case kind <= 4:
		return kind, true
	case kind == 5:
		return 6, true
	case kind == integerMost, kind == float:
		return 8, true
	}
	return 0, kind == zero || kind == one
}

// Value returns a value, by its place among the columns asked for: text and
// blobs as they are, numbers as database/sql would print them, nil for NULL. It
// reads further pages only for a value that stands on them.
func (r *Row) Value(place int) []byte {
	f := r.fields[place]
	payload := r.local
	if f.to > uint64(len(payload)) {
		if payload = r.together(); r.err != nil {
			return nil
		}
	}
	value := payload[f.from:f.to:f.to]
	switch {
	case f.kind >= firstBytes:
		return value
	case f.kind == null:
		return nil
	}
	from := len(r.number)
	if f.kind == float {
		r.number = strconv.AppendFloat(r.number, math.Float64frombits(binary.BigEndian.Uint64(value)), 'g', -1, 64)
	} else {
		r.number = strconv.AppendInt(r.number, integer(f.kind, value), 10)
	}
	return r.number[from:len(r.number):len(r.number)]
}

// integer returns the number of a serial type: in two's complement, big-endian.
func integer(kind uint64, value []byte) (n int64) {
	if kind >= zero {
		return int64(kind - zero)
	}
	for i, c := range value {
		if i == 0 {
			n = int64(int8(c))
		} else {
			n = n<<8 | int64(c)
		}
	}
	return n
}

// together returns the whole payload. Only its beginning is on the
// leaf: each further page begins with the number of the next.
func (r *Row) together() []byte {
	if len(r.whole) > 0 || r.err != nil {
		return r.whole
	}
	s := r.scan
	if r.buf == nil {
		r.buf = make([]byte, s.pageSize)
	}
	r.whole = append(r.whole, r.local...)
	next := r.rest
	for uint64(len(r.whole)) < r.size {
		if r.err = s.visit(next); r.err != nil {
			return nil
		}
		if next < 2 || next > s.pages {
			r.err = malformed(r.page, "a row goes on nowhere")
			return nil
		}
		if r.err = s.readAt(r.buf, next); r.err != nil {
			return nil
		}
		part := r.buf[4:s.usable]
		r.whole = append(r.whole, part[:min(uint64(len(part)), r.size-uint64(len(r.whole)))]...)
		next = binary.BigEndian.Uint32(r.buf)
	}
	return r.whole
}
