package sqldb

import (
	"crypto/tls"
	"crypto/x509"

	"active_users_exporter/collector/failure"
	"active_users_exporter/collector/files"
)

// maxAuthorities is far above the size of any system's list of authorities.
const maxAuthorities = 8 << 20

// trusting returns the TLS of a client that believes a server whose certificate is
// signed by an authority of a file, whatever name it is for.
func trusting(file string) (*tls.Config, error) {
	content, _, err := files.Read(file, maxAuthorities)
	if err != nil {
		return nil, failure.New(failure.Denied, "read the certificates of the authorities to trust: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(content) {
		return nil, failure.New(failure.Denied, "%s: there is no certificate of an authority in it", file)
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // all but the name is verified below
		VerifyConnection: func(state tls.ConnectionState) error {
			between := x509.NewCertPool()
			for _, certificate := range state.PeerCertificates[1:] {
				between.AddCert(certificate)
			}
			_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
			return err
		},
	}, nil
}
