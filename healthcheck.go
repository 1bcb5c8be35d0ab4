package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
	toolkit "github.com/prometheus/exporter-toolkit/web"
	"github.com/prometheus/exporter-toolkit/web/kingpinflag"
	"go.yaml.in/yaml/v3"

	"active_users_exporter/config"
)

// healthcheckTimeout is how long a healthy exporter may take to say so; its
// page does nothing but that.
const healthcheckTimeout = 5 * time.Second

// healthyPage says only that the exporter answers.
const healthyPage = "/-/healthy"

// healthcheck is one question to a running exporter.
type healthcheck struct {
	url, passwordFile   string
	clientCert, keyFile string
	web                 *toolkit.FlagConfig // those of serve, which the exporter runs with
}

// addHealthcheck adds the command that asks a running exporter how it is: for
// containers, which have no other program in them.
func addHealthcheck(app *kingpin.Application) command {
	cmd := app.Command("healthcheck", "Ask a running exporter whether it is healthy: exit code 0 if it answers 200, else 1. "+
		"Give it the flags --web.listen-address and --web.config.file of serve, or set their environment variables for both.")
	var h healthcheck
	enved{cmd}.Flag("url", "Page to ask for, on this machine and by the flags of serve if not set; /-/ready also says whether each server has been tried.").
		PlaceHolder("http://127.0.0.1:10052" + healthyPage).StringVar(&h.url)
	enved{cmd}.Flag("password-file", "File with the password of the user in --url, for basic authentication.").PlaceHolder("FILE").StringVar(&h.passwordFile)
	enved{cmd}.Flag("client-cert-file", "Certificate to show if the exporter asks for one; that of the web configuration file if not set.").PlaceHolder("FILE").StringVar(&h.clientCert)
	enved{cmd}.Flag("client-key-file", "Key of --client-cert-file.").PlaceHolder("FILE").StringVar(&h.keyFile)
	h.web = kingpinflag.AddFlags(enved{cmd}, ":10052")
	return func(ctx context.Context, e environment) error {
		said, err := h.ask(ctx)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintln(e.stdout, said)
		return nil
	}
}

// ask asks for the page, and returns what to say if the exporter is healthy.
func (h healthcheck) ask(ctx context.Context) (string, error) {
	listener, err := readWebConfig(*h.web.WebConfigFile)
	if err != nil {
		return "", &usageError{&config.FlagError{Flag: "web.config.file", Value: *h.web.WebConfigFile, Err: err}}
	}
	transport := &http.Transport{TLSClientConfig: listener.client()} // without the proxies of the environment
	defer transport.CloseIdleConnections()
	if h.clientCert != "" {
		pair, err := tls.LoadX509KeyPair(h.clientCert, h.keyFile)
		if err != nil {
			return "", &usageError{&config.FlagError{Flag: "client-cert-file", Value: h.clientCert, Err: err}}
		}
		transport.TLSClientConfig.Certificates = []tls.Certificate{pair}
	}
	page := cmp.Or(h.url, listener.page((*h.web.WebListenAddresses)[0]))
	ctx, cancel := context.WithTimeout(ctx, healthcheckTimeout)
	defer cancel()
	request, err := h.request(ctx, page)
	if err != nil {
		return "", &usageError{err}
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(err, &untrusted) && *h.web.WebConfigFile == "":
		return "", fmt.Errorf("not known: %w: give the --web.config.file of serve, which names the certificate", err)
	case err != nil:
		return "", fmt.Errorf("not healthy: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	_, _, credentials := request.BasicAuth()
	switch {
	case response.StatusCode == http.StatusOK:
		return "healthy", nil
	case response.StatusCode == http.StatusUnauthorized && !credentials && listener.users && request.URL.Path == healthyPage:
		return "healthy: it asks for a password, as the web configuration file says", nil
	case response.StatusCode == http.StatusUnauthorized && !credentials:
		return "", errors.New("not known: the exporter asks for a password: put a user into --url and the password into --password-file")
	}
	return "", fmt.Errorf("not healthy: the answer is %s", response.Status)
}

// request returns the request of a page.
func (h healthcheck) request(ctx context.Context, page string) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return nil, &config.FlagError{Flag: "url", Err: withoutURL(err)}
	}
	if h.passwordFile == "" {
		return request, nil
	}
	password, err := os.ReadFile(h.passwordFile)
	if err != nil {
		return nil, &config.FlagError{Flag: "password-file", Value: h.passwordFile, Err: err}
	}
	if request.URL.User == nil {
		return nil, errors.New("--password-file: --url names no user: write https://USER@127.0.0.1:10052" + healthyPage)
	}
	request.SetBasicAuth(request.URL.User.Username(), strings.TrimRight(string(password), "\r\n"))
	return request, nil
}

// withoutURL drops from an error the URL, which may hold a password.
func withoutURL(err error) error {
	if wrong, is := errors.AsType[*url.Error](err); is {
		return wrong.Err
	}
	return err
}

// webListener is what a web configuration file says of the main listener.
type webListener struct {
	users bool // they need a password
	own   *tls.Certificate
}

// readWebConfig reads the file that serve is given, "" for none.
func readWebConfig(file string) (l webListener, err error) {
	if file == "" {
		return l, nil
	}
	if err := toolkit.Validate(file); err != nil {
		return l, err
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return l, err
	}
	var c toolkit.Config
	if err := yaml.Unmarshal(content, &c); err != nil {
		return l, err
	}
	l.users = len(c.Users) > 0
	c.TLSConfig.SetDirectory(filepath.Dir(file))
	if !c.TLSConfig.IsEnabled() {
		return l, nil
	}
	served, err := toolkit.ConfigToTLSConfig(&c.TLSConfig)
	if err != nil {
		return l, err
	}
	l.own, err = served.GetCertificate(nil)
	return l, err
}

// page is the page to ask for at an address of the listener, on this machine.
func (l webListener) page(address string) string {
	scheme := "http"
	if l.own != nil {
		scheme = "https"
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return scheme + "://" + address + healthyPage
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return scheme + "://" + net.JoinHostPort(host, port) + healthyPage
}

// client returns how to speak TLS with the listener. A server with the key of the file's own
// certificate is the exporter, whatever the signature and the name; others are
// verified as usual.
func (l webListener) client() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if l.own == nil {
		return c
	}
	c.Certificates = []tls.Certificate{*l.own}
	c.InsecureSkipVerify = true // VerifyConnection verifies
	c.VerifyConnection = func(state tls.ConnectionState) error {
		if bytes.Equal(state.PeerCertificates[0].Raw, l.own.Certificate[0]) {
			return nil
		}
		intermediates := x509.NewCertPool()
		for _, certificate := range state.PeerCertificates[1:] {
			intermediates.AddCert(certificate)
		}
		_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{DNSName: state.ServerName, Intermediates: intermediates})
		return err
	}
	return c
}
