// Package failure says why a chat server could not be read: one word of a small
// fixed set, which is the label of chat_refresh_failures_total.
package failure

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
)

// A Reason is why a refresh failed.
type Reason string

// The reasons. An Error names its own; errors of contexts, of the file system
// and of the network have theirs by themselves; all others are Unexpected.
const (
	Denied      Reason = "denied"      // wrong password, no permission, a certificate that one side does not accept
	Internal    Reason = "internal"    // a defect of the exporter
	Locked      Reason = "locked"      // the database is locked by another process
	Timeout     Reason = "timeout"     // reached, but not done in time
	Unexpected  Reason = "unexpected"  // reached, but not what this software writes
	Unreachable Reason = "unreachable" // no such file, nobody listening
)

// Reasons returns every reason, in alphabetical order.
func Reasons() []Reason {
	return []Reason{Denied, Internal, Locked, Timeout, Unexpected, Unreachable}
}

// An Error is an error whose reason is known where it happened.
type Error struct {
	Reason Reason
	Err    error
}

// New returns an Error with a text, which is formatted as by fmt.Errorf.
func New(reason Reason, format string, args ...any) error {
	return &Error{Reason: reason, Err: fmt.Errorf(format, args...)}
}

// Error returns the text alone, without the reason.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the error behind it.
func (e *Error) Unwrap() error { return e.Err }

// Of returns the reason of an error: that of the outermost Error in its chain,
// or else what its cause says.
func Of(err error) Reason {
	var known *Error
	var network *net.OpError
	switch {
	case errors.As(err, &known):
		if slices.Contains(Reasons(), known.Reason) {
			return known.Reason
		}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return Timeout
	case errors.Is(err, fs.ErrPermission), IsCertificate(err):
		return Denied
	case errors.Is(err, fs.ErrNotExist), errors.As(err, &network):
		return Unreachable
	}
	return Unexpected
}

// certificateAlerts are the alerts of TLS by which a server refuses the certificate
// of its client, or says that it wants one: RFC 5246, section 7.2.2, and RFC 8446,
// section 6.2.
func certificateAlerts() []tls.AlertError {
	const (
		badCertificate, unsupportedCertificate, certificateRevoked      = 42, 43, 44
		certificateExpired, certificateUnknown, unknownCA, accessDenied = 45, 46, 48, 49
		certificateRequired                                             = 116
	)
	return []tls.AlertError{
		badCertificate, unsupportedCertificate, certificateRevoked,
		certificateExpired, certificateUnknown, unknownCA, accessDenied, certificateRequired,
	}
}

// IsCertificate reports whether a TLS connection failed because the server's
// certificate was not accepted here, or the client's not there.
func IsCertificate(err error) bool {
	if alert, ok := errors.AsType[tls.AlertError](err); ok {
		return slices.Contains(certificateAlerts(), alert)
	}
	_, verification := errors.AsType[*tls.CertificateVerificationError](err)
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	_, name := errors.AsType[x509.HostnameError](err)
	_, invalid := errors.AsType[x509.CertificateInvalidError](err)
	return verification || authority || name || invalid
}
