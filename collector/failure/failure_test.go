package failure_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"syscall"
	"testing"

	"active_users_exporter/collector/failure"
)

func TestOf(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want failure.Reason
	}{
		"named":                                       {failure.New(failure.Locked, "busy"), failure.Locked},
		"named, wrapped":                              {fmt.Errorf("query: %w", failure.New(failure.Denied, "no")), failure.Denied},
		"the outermost counts":                        {failure.New(failure.Denied, "password: %w", failure.New(failure.Unreachable, "no file")), failure.Denied},
		"named before its cause":                      {failure.New(failure.Denied, "read the password: %w", fs.ErrNotExist), failure.Denied},
		"no reason of ours":                           {failure.New("because", "it is so"), failure.Unexpected},
		"too slow":                                    {fmt.Errorf("query: %w", context.DeadlineExceeded), failure.Timeout},
		"ended":                                       {fmt.Errorf("query: %w", context.Canceled), failure.Timeout},
		"no such file":                                {&fs.PathError{Op: "open", Path: "x", Err: syscall.ENOENT}, failure.Unreachable},
		"no permission":                               {&fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}, failure.Denied},
		"nobody listens":                              {&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, failure.Unreachable},
		"no permission for a socket":                  {&net.OpError{Op: "dial", Err: syscall.EACCES}, failure.Denied},
		"no such socket":                              {&net.OpError{Op: "dial", Err: syscall.ENOENT}, failure.Unreachable},
		"too slow, by the network":                    {errors.Join(context.DeadlineExceeded, &net.OpError{Op: "read", Err: syscall.ETIMEDOUT}), failure.Timeout},
		"a certificate that is not for the name":      {&url.Error{Op: "Get", Err: &tls.CertificateVerificationError{Err: x509.HostnameError{Host: "example.org"}}}, failure.Denied},
		"a certificate of an unknown authority":       {fmt.Errorf("connect: %w", x509.UnknownAuthorityError{}), failure.Denied},
		"a certificate of the past":                   {fmt.Errorf("connect: %w", x509.CertificateInvalidError{Reason: x509.Expired}), failure.Denied},
		"the server wants a certificate":              {&net.OpError{Op: "remote error", Err: tls.AlertError(116)}, failure.Denied},
		"the server does not know our authority":      {&net.OpError{Op: "remote error", Err: tls.AlertError(48)}, failure.Denied},
		"the server and we have no version in common": {&net.OpError{Op: "remote error", Err: tls.AlertError(70)}, failure.Unreachable},
		"anything else":                               {errors.New("hmm"), failure.Unexpected},
	} {
		if got := failure.Of(c.err); got != c.want {
			t.Errorf("%s: reason %q, want %q", name, got, c.want)
		}
	}
}

// The text of an Error is that of the error it names, and its cause is found.
func TestError(t *testing.T) {
	err := failure.New(failure.Denied, "read the password: %w", fs.ErrNotExist)
	if err.Error() != "read the password: file does not exist" || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %q, and its cause is found: %v", err, errors.Is(err, fs.ErrNotExist))
	}
}
