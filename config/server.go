package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"active_users_exporter/collector/chatserver"
	"active_users_exporter/config/document"
)

// A Server is one chat server to read.
type Server struct {
	// Name is the value of the label "server".
	Name string
	// Software is the name of the server's Kind.
	Software string
	// Source says where its records are.
	Source chatserver.Source
	// Warnings are what is odd in the server's own configuration.
	Warnings []string
}

// Kind returns the kind of chat server of that name.
func (s Source) Kind(software string) (chatserver.Kind, error) {
	for _, k := range s.ChatServers() {
		if k.Name == software {
			return k, nil
		}
	}
	return chatserver.Kind{}, fmt.Errorf("%q is no known chat server: %s are", software, chatserver.Enumerate(chatserver.Names(s.ChatServers()), "and"))
}

// serverFlag reads SOFTWARE=LOCATION. Its errors do not repeat the location,
// which may hold a password.
func (s Source) serverFlag(text string) (Server, error) {
	name, location, found := strings.Cut(text, "=")
	if !found || location == "" {
		return Server{}, errors.New("want SOFTWARE=LOCATION, such as prosody=/var/lib/prosody")
	}
	kind, err := s.Kind(name)
	if err != nil {
		return Server{}, err
	}
	source, warnings, err := kind.At(location)
	if err != nil {
		return Server{}, fmt.Errorf("%s=…: %w", kind.Name, err)
	}
	return Server{Software: kind.Name, Source: source, Warnings: warnings}, nil
}

// servers reads the list of chat servers.
func (f *file) servers(n *yaml.Node) (servers []Server) {
	known := f.serverKeys()
	taken := make(map[string]bool)
	for _, item := range f.List(n, "servers") {
		values := f.Mapping(item, "a server", known...)
		server := f.server(item, values)
		if name := values["name"]; name != nil {
			server.Name = f.name(name)
			if taken[server.Name] {
				f.Problem(name, "name: another server is named %q: give each its own", server.Name)
			}
			taken[server.Name] = true
		}
		servers = append(servers, server)
	}
	return servers
}

// serverKeys are the keys of one of the servers: first those of all kinds, then
// those of several, then those of one.
func (f *file) serverKeys() []string {
	keys := []string{"name", "software", "from"}
	for _, shared := range []bool{true, false} {
		for _, kind := range f.kinds {
			for _, key := range kind.Keys {
				if !slices.Contains(keys, key) && (len(f.kindsWith(key)) > 1) == shared {
					keys = append(keys, key)
				}
			}
		}
	}
	return keys
}

// kindsWith returns the kinds that understand a key.
func (f *file) kindsWith(key string) (kinds []chatserver.Kind) {
	for _, k := range f.kinds {
		if slices.Contains(k.Keys, key) {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

// server reads one item of servers, except for its name.
func (f *file) server(n *yaml.Node, values map[string]*yaml.Node) Server {
	software, from := values["software"], values["from"]
	needsFrom := !slices.ContainsFunc(f.kinds, func(k chatserver.Kind) bool {
		return slices.ContainsFunc(k.KeysForFrom, func(key string) bool { return values[key] != nil })
	})
	if software == nil || from == nil && needsFrom {
		f.Problem(n, "a server needs both software (%s) and from (where its records are)", chatserver.Enumerate(chatserver.Names(f.kinds), "or"))
		return Server{}
	}
	kind, err := f.source.Kind(f.Text(software, "software"))
	if err != nil {
		f.Problem(software, "software: %s", err)
		return Server{}
	}
	server := Server{Software: kind.Name}
	item := &chatserver.Item{Document: f.Document, At: cmp.Or(from, n)}
	if from != nil {
		if item.Location = f.Text(from, "from"); item.Location == "" {
			f.Problem(from, "from is empty")
			return server
		}
	}
	item.Values = f.valuesFor(kind, values)
	server.Source = kind.Configure(item)
	server.Warnings = item.Warnings
	return server
}

// valuesFor returns the values of the keys of a kind. Those of other kinds are mistakes.
func (f *file) valuesFor(kind chatserver.Kind, values map[string]*yaml.Node) map[string]*yaml.Node {
	own := make(map[string]*yaml.Node)
	for _, key := range document.Keys(values) {
		if slices.Contains(kind.Keys, key) {
			own[key] = values[key]
		} else if kinds := f.kindsWith(key); len(kinds) > 0 {
			f.Problem(values[key], "%s is for software: %s", key, strings.Join(chatserver.Names(kinds), " or "))
		}
	}
	return own
}

// maxName is the longest name of a server, in bytes.
const maxName = 64

func (f *file) name(n *yaml.Node) string {
	name := f.Text(n, "name")
	printable := !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError })
	if name == "" || len(name) > maxName || !printable {
		f.Problem(n, "name: want 1 to %d bytes of printable text", maxName)
	}
	return name
}
