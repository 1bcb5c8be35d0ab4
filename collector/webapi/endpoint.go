// Package webapi asks the HTTP interface of a running chat server: with time
// limits, without redirects, and with errors that say which interface failed
// and why but never repeat an answer, which may hold users' names.
package webapi

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
)

// An Endpoint is the URL of an interface. Printing it, with whatever verb,
// never shows a password.
type Endpoint struct{ location string }

// ParseEndpoint reads http://USER:PASSWORD@HOST:PORT/PATH, USER and PASSWORD
// being optional; special characters in them, such as the @ of a Jabber ID, are
// percent-encoded. Its errors never repeat the location.
func ParseEndpoint(location string) (Endpoint, error) {
	u, err := url.Parse(location)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || strings.Contains(u.Path, "@") {
		return Endpoint{}, errors.New("not the URL of an interface: write http://USER@HOST:PORT/PATH, with special characters of USER percent-encoded")
	}
	return Endpoint{strings.TrimRight(location, "/")}, nil
}

// String returns the location without user and password.
func (e Endpoint) String() string { return WithoutUser(e.location) }

// WithoutUser returns a URL without user and password.
func WithoutUser(location string) string {
	u, err := url.Parse(location)
	if err != nil {
		return "the interface"
	}
	u.User = nil
	return u.String()
}

// Format implements fmt.Formatter, so that no verb prints what String leaves
// out.
func (e Endpoint) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, e.String()) }

// IsZero says that there is no interface to ask.
func (e Endpoint) IsZero() bool { return e == Endpoint{} }

// HasUser says that the location names an account to ask as.
func (e Endpoint) HasUser() bool { return e.user().Username() != "" }

func (e Endpoint) user() *url.Userinfo {
	u, err := url.Parse(e.location)
	if err != nil {
		return nil
	}
	return u.User
}
