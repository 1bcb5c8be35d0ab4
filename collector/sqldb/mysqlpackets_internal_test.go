package sqldb

import (
	"errors"
	"io"
	"net"
	"testing"
)

// A server that continues a packet for ever is given up on; long streams of ordinary
// packets, in whatever pieces they arrive, are not.
func TestPacketsWithoutEnd(t *testing.T) {
	packet := func(length int) []byte {
		return append([]byte{byte(length), byte(length >> 8), byte(length >> 16), 0}, make([]byte, length)...)
	}
	for name, c := range map[string]struct {
		length, packets, piece int
		want                   error
	}{
		"ordinary packets":        {1000, 100_000, 1 << 16, io.EOF},
		"in pieces":               {5, 10_000, 3, io.EOF},
		"byte by byte":            {300, 100, 1, io.EOF},
		"one very long row":       {fullPacket, 1, 1 << 20, io.EOF},
		"continued, without end ": {fullPacket, 8, 1 << 20, errEndlessPacket},
	} {
		ours, theirs := net.Pipe()
		go func() {
			defer func() { _ = theirs.Close() }()
			for range c.packets {
				data := packet(c.length)
				for len(data) > 0 {
					n := min(c.piece, len(data))
					if _, err := theirs.Write(data[:n]); err != nil {
						return
					}
					data = data[n:]
				}
			}
		}()
		_, err := io.Copy(io.Discard, struct{ io.Reader }{&boundedPackets{Conn: ours}})
		if err == nil {
			err = io.EOF
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		_ = ours.Close()
	}
}
