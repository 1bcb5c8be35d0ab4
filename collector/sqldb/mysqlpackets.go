package sqldb

import (
	"context"
	"errors"
	"net"

	"github.com/go-sql-driver/mysql"
)

const (
	// fullPacket is the length of a packet that another one continues (MySQL's
	// manual, "MySQL Packets").
	fullPacket = 1<<24 - 1
	// maxFullPackets bounds one row or message: 32 MiB are more than what is read
	// here ever has.
	maxFullPackets = 2
)

var errEndlessPacket = errors.New("the server sends a packet of more than 32 MiB")

// withBoundedPackets has the driver give up on a server that sends a packet without
// end, which the driver would put together in memory. Packets within TLS cannot be
// seen here.
func withBoundedPackets(c *mysql.Config) {
	if c.TLSConfig != "" {
		return
	}
	c.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		connection, err := (&net.Dialer{Timeout: c.Timeout}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &boundedPackets{Conn: connection}, nil
	}
}

// boundedPackets follows the packets that are read from a connection.
type boundedPackets struct {
	net.Conn
	header    [4]byte // length, and a number
	have      int     // bytes of the header that were read
	remaining int     // bytes of the packet that were not
	full      int     // packets in a row that another one continues
}

// Read implements io.Reader.
func (b *boundedPackets) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	if followErr := b.follow(p[:n]); followErr != nil {
		return 0, followErr
	}
	return n, err
}

func (b *boundedPackets) follow(data []byte) error {
	for len(data) > 0 {
		if b.remaining > 0 {
			skipped := min(b.remaining, len(data))
			b.remaining -= skipped
			data = data[skipped:]
			continue
		}
		copied := copy(b.header[b.have:], data)
		b.have += copied
		data = data[copied:]
		if b.have < len(b.header) {
			return nil
		}
		b.have = 0
		b.remaining = int(b.header[0]) | int(b.header[1])<<8 | int(b.header[2])<<16
		if b.remaining < fullPacket {
			b.full = 0
		} else if b.full++; b.full > maxFullPackets {
			return errEndlessPacket
		}
	}
	return nil
}
