//go:build live

package live

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/test/must"
)

// mysqlServer is a running MySQL, with a certificate for 127.0.0.1.
type mysqlServer struct {
	*place
	port      string
	authority string // the certificate to trust, PEM
}

// startMySQL starts a server with an empty database "chat". Its users are the
// administrator of the test, without a password, and "chat" with one, whose
// connection must be encrypted if encrypted is true.
func startMySQL(t *testing.T, b *bench, encrypted bool) *mysqlServer {
	t.Helper()
	p := b.data.place(t, "mysql")
	s := &mysqlServer{place: p, port: freePort(t)}
	authority, certificate, key := certificateFor127(t)
	s.authority = authority
	p.write(t, "authority.pem", authority)
	p.write(t, "cert.pem", certificate)
	p.write(t, "key.pem", key)
	require := ""
	if encrypted {
		require = " REQUIRE SSL"
	}
	p.write(t, "init.sql", strings.Join([]string{
		"CREATE USER 'root'@'127.0.0.1'", "GRANT ALL ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION",
		"CREATE DATABASE chat CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
		"CREATE USER 'chat'@'127.0.0.1' IDENTIFIED BY '" + secret + "'" + require, "GRANT ALL ON chat.* TO 'chat'@'127.0.0.1'",
	}, ";\n")+";\n")
	common := []string{"--no-defaults", "--datadir=" + p.in("data"), "--tmpdir=" + p.inside, "--secure-file-priv=NULL"}
	p.run(t, "/usr/sbin/mysqld", append(common, "--initialize-insecure")...)
	server := p.start(t, p.command("/usr/sbin/mysqld", append(common,
		"--port="+s.port, "--bind-address=127.0.0.1", "--mysqlx=OFF", "--socket="+p.in("sock"), "--pid-file="+p.in("pid"), "--skip-name-resolve",
		"--ssl-ca="+p.in("authority.pem"), "--ssl-cert="+p.in("cert.pem"), "--ssl-key="+p.in("key.pem"),
		"--init-file="+p.in("init.sql"), "--skip-log-bin", "--innodb-flush-log-at-trx-commit=0", "--performance-schema=OFF")...))
	server.listens(t, s.port)
	dbtest.ExecMySQL(t, s.location("root", ""), "SELECT 1")
	return s
}

// location is the URL of the database for a user.
func (s *mysqlServer) location(user, password string) string {
	if password != "" {
		user += ":" + password
	}
	return fmt.Sprintf("mysql://%s@127.0.0.1:%s/chat", user, s.port)
}

// certificateFor127 makes a certificate of a new authority.
func certificateFor127(t *testing.T) (authority, certificate, key string) {
	t.Helper()
	sign := func(template, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must.Succeed(t, err)
		if parent == nil {
			parent, signer = template, own
		}
		signed, err := x509.CreateCertificate(rand.Reader, template, parent, own.Public(), signer)
		must.Succeed(t, err)
		parsed, err := x509.ParseCertificate(signed)
		must.Succeed(t, err)
		return parsed, own
	}
	from, to := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	root, rootKey := sign(&x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority of a test"}, NotBefore: from, NotAfter: to,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, nil)
	leaf, leafKey := sign(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "127.0.0.1"}, NotBefore: from, NotAfter: to,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, root, rootKey)
	encoded, err := x509.MarshalPKCS8PrivateKey(leafKey)
	must.Succeed(t, err)
	block := func(kind string, content []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}))
	}
	return block("CERTIFICATE", root.Raw), block("CERTIFICATE", leaf.Raw), block("PRIVATE KEY", encoded)
}

// trust lets a program of a place believe a certificate beside the system's.
func (e *exporter) trust(t *testing.T, authority string) {
	t.Helper()
	e.environment = append(e.environment, "SSL_CERT_FILE="+e.place.write(t, "authority.pem", authority))
	must.Succeed(t, os.Chmod(e.place.out("authority.pem"), 0o644))
}
