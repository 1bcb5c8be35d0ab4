package must

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"
)

// WriteCertificate writes a certificate that signs itself, for 127.0.0.1 unless other
// names are given, and its key.
func WriteCertificate(tb testing.TB, certificateFile, keyFile string, names ...string) {
	tb.Helper()
	key := Get(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(tb)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: names, IsCA: true, BasicConstraintsValid: true,
	}
	if len(names) == 0 {
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	signed := Get(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))(tb)
	WriteFile(tb, certificateFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed})))
	encoded := Get(x509.MarshalPKCS8PrivateKey(key))(tb)
	WriteFile(tb, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})))
}
