package sqldb_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"active_users_exporter/collector/failure"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/test/must"
)

// encrypted listens as a database server that goes over to TLS, and then ends every
// connection. It returns its address, and its certificate, which it has signed itself.
func encrypted(t *testing.T, toTLS func(net.Conn)) (address, certificate string) {
	t.Helper()
	pages := httptest.NewTLSServer(nil) // for its certificate
	t.Cleanup(pages.Close)
	listener := must.Get(net.Listen("tcp", "127.0.0.1:0"))(t)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			toTLS(connection)
			_ = tls.Server(connection, pages.TLS).Handshake()
			_ = connection.Close()
		}
	}()
	return listener.Addr().String(), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pages.Certificate().Raw}))
}

// asPostgreSQL: a request for TLS has 8 bytes, and S says yes.
func asPostgreSQL(connection net.Conn) {
	_, _ = io.ReadFull(connection, make([]byte, 8))
	_, _ = io.WriteString(connection, "S")
}

// asMySQL: the server greets, with what it is capable of (TLS is 0x0800), and the
// client's request for TLS has 36 bytes.
func asMySQL(connection net.Conn) {
	greeting := "\x0a8.0.0\x00" + "\x01\x00\x00\x00" + "12345678\x00" + "\x00\x8a" + "\x2d\x02\x00" + "\x08\x00" + "\x15" +
		strings.Repeat("\x00", 10) + "123456789012\x00" + "mysql_native_password\x00"
	_, _ = io.WriteString(connection, string([]byte{byte(len(greeting)), 0, 0, 0})+greeting)
	_, _ = io.ReadFull(connection, make([]byte, 36))
}

// authority returns the certificate of another authority.
func authority(t *testing.T) string {
	t.Helper()
	key := must.Get(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "another"}, IsCA: true, BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour)}
	signed := must.Get(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))(t)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}))
}

// A server whose certificate nobody vouches for is there, but not to be trusted.
func TestACertificateThatDoesNotVerifyIsDenied(t *testing.T) {
	address, _ := encrypted(t, asPostgreSQL)
	source := must.Get(sqldb.ParseSource("postgres://exporter@" + address + "/synapse?sslmode=verify-full"))(t)
	err := source.Read(t.Context(), sqldb.Options{}, func(context.Context, sqldb.View) error { return nil })
	if failure.Of(err) != failure.Denied || !strings.Contains(fmt.Sprint(err), "certificate") {
		t.Errorf("reason %q: %v", failure.Of(err), err)
	}
}

// The authorities of a file are trusted, others are not, whatever the name. All servers
// here end the connection once they were believed.
func TestAuthorities(t *testing.T) {
	folder := t.TempDir()
	file := func(name string) string { return filepath.Join(folder, name) }
	must.WriteFile(t, file("foreign.pem"), authority(t))
	must.WriteFile(t, file("empty.pem"), "no certificate")
	for name, engine := range map[string]struct {
		toTLS  func(net.Conn)
		source func(sqldb.Location) (sqldb.Source, error)
	}{"PostgreSQL": {asPostgreSQL, sqldb.Location.PostgreSQL}, "MySQL": {asMySQL, sqldb.Location.MySQL}} {
		address, certificate := encrypted(t, engine.toTLS)
		_, port, err := net.SplitHostPort(address) // the certificate does not have the name localhost
		must.Succeed(t, err)
		must.WriteFile(t, file("own.pem"), certificate)
		for authorities, denied := range map[string]string{"own.pem": "", "empty.pem": "no certificate of an authority", "gone.pem": "no such file", "foreign.pem": "certificate"} {
			source := must.Get(engine.source(sqldb.Location{Host: "localhost", Port: port, Database: "d", User: "u", Encrypted: true, Authorities: file(authorities)}))(t)
			if want := ", certificate signed by an authority in " + file(authorities); !strings.HasSuffix(source.Describe(), want) {
				t.Errorf("%s: %q does not end with %q", name, source.Describe(), want)
			}
			err := source.Read(t.Context(), sqldb.Options{}, func(context.Context, sqldb.View) error { return nil })
			if err == nil || (failure.Of(err) == failure.Denied) != (denied != "") || !strings.Contains(err.Error(), denied) {
				t.Errorf("%s, %s: reason %q: %v", name, authorities, failure.Of(err), err)
			}
		}
	}
}
