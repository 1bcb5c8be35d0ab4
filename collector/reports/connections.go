package reports

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// A Refusal says why a connection was refused. It is a label.
type Refusal string

// The reasons for which a connection is refused.
const (
	TooManyOfSender Refusal = "sender" // one sender has too many open
	TooManyInAll    Refusal = "total"  // there are too many, and the sender is not known
)

// Refusals returns all reasons there are.
func Refusals() []Refusal { return []Refusal{TooManyOfSender, TooManyInAll} }

const (
	maxConnectionsInAll = 2000
	// maxConnectionsOfSender is far more than a homeserver opens: it opens one.
	maxConnectionsOfSender = 20
	// maxStrangers is how many of the connections may be of senders whose reports
	// were not accepted before.
	maxStrangers = maxConnectionsInAll * 3 / 4
)

// connections limits open connections: nobody may take all of them, and strangers
// leave room for those who have reported before. This machine itself and proxies that
// are trusted are not limited one by one, for they are many in one.
type connections struct {
	established *established
	trusted     []netip.Prefix

	mutex    sync.Mutex
	open     int
	bySender map[sender]int
	refused  map[Refusal]uint64
}

func newConnections(e *established, trusted []netip.Prefix) *connections {
	return &connections{established: e, trusted: trusted, bySender: make(map[sender]int), refused: make(map[Refusal]uint64)}
}

// Limit returns the listener without the connections that are too many: they are
// closed at once. It is for the Handler of the same Receiver.
func (r *Receiver) Limit(listener net.Listener) net.Listener {
	return &limitedListener{listener, r.connections}
}

// ConnectionsRefused returns how many connections were refused since the start.
func (r *Receiver) ConnectionsRefused() map[Refusal]uint64 {
	c := r.connections
	c.mutex.Lock()
	defer c.mutex.Unlock()
	all := make(map[Refusal]uint64)
	for _, reason := range Refusals() {
		all[reason] = c.refused[reason]
	}
	return all
}

type limitedListener struct {
	net.Listener
	connections *connections
}

// Accept waits for a connection that is not too many.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		connection, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		release, admitted := l.connections.admit(connection, time.Now())
		if admitted {
			return &limitedConnection{Conn: connection, release: release}, nil
		}
		_ = connection.Close()
	}
}

// limitedConnection gives its place back when it is closed.
type limitedConnection struct {
	net.Conn
	release func()
	once    sync.Once
}

// Close implements net.Conn.
func (c *limitedConnection) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.release)
	return err
}

// admit takes a place for a connection, if there is one for it.
func (c *connections) admit(connection net.Conn, now time.Time) (release func(), admitted bool) {
	address, ok := addressOf(connection)
	from := sender{}
	if ok {
		from = senderOf(address)
	}
	one := !ok || !from.local() && !within(address, c.trusted) // one sender, not many in one
	known := !one || c.established.is(from, now)
	c.mutex.Lock()
	defer c.mutex.Unlock()
	switch {
	case one && c.bySender[from] >= maxConnectionsOfSender:
		c.refused[TooManyOfSender]++
		return nil, false
	case c.open >= maxConnectionsInAll, c.open >= maxStrangers && !known:
		c.refused[TooManyInAll]++
		return nil, false
	}
	c.open++
	c.bySender[from]++
	return func() { c.leave(from) }, true
}

func (c *connections) leave(from sender) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.open--
	if c.bySender[from]--; c.bySender[from] == 0 {
		delete(c.bySender, from)
	}
}
