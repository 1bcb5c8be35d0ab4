package sqldb

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5/stdlib"

	"active_users_exporter/collector/sqldb/sqlitefile"
)

// A Row is one row of a Stream or a Scan. It and its values are valid until the
// function that was given it returns.
type Row struct {
	values [][]byte        // nil for NULL
	binary bool            // integers are big-endian, not decimal
	file   *sqlitefile.Row // has the values of a Scan
	err    error
}

// Text returns a value of type text or bytea, nil for NULL.
func (r *Row) Text(column int) []byte {
	if r.file != nil {
		return r.file.Value(column)
	}
	return r.values[column]
}

// Integer returns a value of an integer type. For anything else, NULL too, the
// Stream or Scan ends with an error.
func (r *Row) Integer(column int) int64 {
	value := r.Text(column)
	if !r.binary {
		n, err := strconv.ParseInt(string(value), 10, 64)
		if err != nil {
			r.err = fmt.Errorf("column %d does not hold an integer", column+1)
		}
		return n
	}
	switch len(value) {
	case 8:
		return int64(binary.BigEndian.Uint64(value))
	case 4:
		return int64(int32(binary.BigEndian.Uint32(value)))
	case 2:
		return int64(int16(binary.BigEndian.Uint16(value)))
	}
	r.err = fmt.Errorf("column %d does not hold an integer", column+1)
	return 0
}

// Stream calls use with each row of a query that has no parameters and the
// given number of columns, all of them text or integers. From PostgreSQL it takes
// the rows by COPY in binary form. That costs the server a third less than the same
// rows as a query's result, and the exporter nearly nothing.
func (v View) Stream(ctx context.Context, query string, columns int, use func(*Row)) error {
	if v.conn != nil {
		return v.conn.Raw(func(driver any) error {
			tuples := &copyReader{row: Row{values: make([][]byte, columns), binary: true}, use: use}
			connection := driver.(*stdlib.Conn).Conn().PgConn()
			_, err := connection.CopyTo(ctx, tuples, "COPY ("+query+") TO STDOUT (FORMAT binary)")
			return errors.Join(tuples.row.err, err)
		})
	}
	rows, err := v.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	raw, into := make([]sql.RawBytes, columns), make([]any, columns)
	for i := range raw {
		into[i] = &raw[i]
	}
	row := Row{values: make([][]byte, columns)}
	for rows.Next() && row.err == nil {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		for i, value := range raw {
			row.values[i] = value
		}
		use(&row)
	}
	return errors.Join(row.err, rows.Err())
}

// copyReader takes the bytes of PostgreSQL's binary COPY format (its manual,
// "COPY", section "Binary Format") as they come and cuts them into rows.
type copyReader struct {
	row    Row
	use    func(*Row)
	begun  bool
	ended  bool
	remain []byte // the beginning of a row that is not complete yet
}

const (
	copySignature  = "PGCOPY\n\xff\r\n\x00"
	copyHeaderSize = len(copySignature) + 4 + 4 // flags, length of the extension
	copyTrailer    = 0xffff
)

var (
	errShort  = errors.New("not complete")
	errFormat = errors.New("what the server sent is not the binary COPY format")
)

// Write implements io.Writer. The server sends a row at a time, so that as a
// rule nothing remains.
func (c *copyReader) Write(p []byte) (int, error) {
	data := p
	if len(c.remain) > 0 {
		c.remain = append(c.remain, p...)
		data = c.remain
	}
	for len(data) > 0 && !c.ended {
		n, err := c.next(data)
		if errors.Is(err, errShort) {
			break
		}
		if err != nil {
			return 0, err
		}
		data = data[n:]
	}
	c.remain = append(c.remain[:0], data...)
	return len(p), nil
}

// next takes the header or one row from data and returns its length.
func (c *copyReader) next(data []byte) (int, error) {
	if !c.begun {
		if len(data) < copyHeaderSize {
			return 0, errShort
		}
		if string(data[:len(copySignature)]) != copySignature {
			return 0, errFormat
		}
		size := copyHeaderSize + int(binary.BigEndian.Uint32(data[copyHeaderSize-4:]))
		if len(data) < size {
			return 0, errShort
		}
		c.begun = true
		return size, nil
	}
	if len(data) < 2 {
		return 0, errShort
	}
	columns := binary.BigEndian.Uint16(data)
	if columns == copyTrailer {
		c.ended = true
		return 2, nil
	}
	if int(columns) != len(c.row.values) {
		return 0, errFormat
	}
	at := 2
	for i := range c.row.values {
		if len(data) < at+4 {
			return 0, errShort
		}
		size := int(int32(binary.BigEndian.Uint32(data[at:])))
		at += 4
		if size < 0 {
			c.row.values[i] = nil
			continue
		}
		if len(data) < at+size {
			return 0, errShort
		}
		c.row.values[i] = data[at : at+size : at+size]
		at += size
	}
	c.use(&c.row)
	return at, c.row.err
}
