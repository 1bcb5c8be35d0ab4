// Package xmpptest gives tests a client of real XMPP servers: people who log
// in, stay online, leave or lose their connection.
package xmpptest

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// A Client is a session of a user. It ends with the test, as a lost connection
// does.
type Client struct {
	connection net.Conn
	reader     *bufio.Reader
	who        string
}

// Connect logs a user in over loopback, in the clear. The session has no
// presence yet.
func Connect(tb testing.TB, address, domain, user, password string) *Client {
	tb.Helper()
	connection, err := (&net.Dialer{}).DialContext(tb.Context(), "tcp", address)
	if err != nil {
		tb.Fatal(err)
	}
	c := &Client{connection, bufio.NewReader(connection), user}
	tb.Cleanup(c.Cut)
	header := `<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='` + domain + `' version='1.0'>`
	token := base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
	c.exchange(tb, header, "</stream:features>")
	c.exchange(tb, `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>`+token+`</auth>`, "<success")
	c.exchange(tb, header, "</stream:features>")
	c.exchange(tb, `<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>`, "</iq>")
	return c
}

// Login connects a user and says that they are available.
func Login(tb testing.TB, address, domain, user, password string) *Client {
	tb.Helper()
	c := Connect(tb, address, domain, user, password)
	c.exchange(tb, `<presence/>`, "<presence") // the server's copy to ourselves
	return c
}

// Leave logs out with a text, as people do.
func (c *Client) Leave(tb testing.TB, text string) {
	tb.Helper()
	c.exchange(tb, fmt.Sprintf(`<presence type='unavailable'><status>%s</status></presence></stream:stream>`, text), "</stream:stream>")
	c.Cut()
}

// Cut ends the connection without a word.
func (c *Client) Cut() { _ = c.connection.Close() }

// exchange sends something and reads until the answer holds a text.
func (c *Client) exchange(tb testing.TB, send, until string) {
	tb.Helper()
	if err := c.connection.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		tb.Fatal(err)
	}
	if _, err := io.WriteString(c.connection, send); err != nil {
		tb.Fatal(err)
	}
	for answer := ""; !strings.Contains(answer, until); {
		part, err := c.reader.ReadString('>')
		if err != nil {
			tb.Fatalf("log in as %s: %v after %s", c.who, err, answer)
		}
		answer += part
	}
}
