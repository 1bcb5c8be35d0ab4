package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kingpin/v2"

	"active_users_exporter/collector/history"
)

// person is somebody to be forgotten: a user of a domain, of one server or of all.
type person struct{ user, domain, server *string }

func addPerson(cmd *kingpin.CmdClause) person {
	return person{
		cmd.Flag("user", "Name of the user, such as ada or @ada:example.org; - reads it from the standard input, so that no list of processes shows it.").Required().PlaceHolder("NAME").String(),
		cmd.Flag("domain", "Name of the domain.").Required().String(),
		cmd.Flag("server", "Name of the server in the configuration; all servers if not set.").PlaceHolder("NAME").String(),
	}
}

// forget removes what was recorded. Nothing that is said names the user.
func (p person) forget(ctx context.Context, e environment, store *history.Store) error {
	name := *p.user
	if name == "-" {
		line, err := bufio.NewReader(os.Stdin).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read the name of the user: %w", err)
		}
		name = strings.TrimSpace(line)
	}
	if name == "" {
		return &usageError{errors.New("--user is empty: whose past is to be removed?")}
	}
	n, err := store.Forget(ctx, *p.server, *p.domain, namesOf(name, *p.domain)...)
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("nothing was recorded of this user of %q: is the name written as the chat server has it?", *p.domain)
	}
	_, _ = fmt.Fprintf(e.stdout, "what was recorded of this user of %s is removed\n"+
		"Whoever still has an account, or visits in the chat server's own records, is recorded again from the next refresh on: delete the account there first.\n", *p.domain)
	return nil
}

// namesOf returns the names that chat servers may have for a user: Synapse writes
// @ada:example.org, others ada.
func namesOf(name, domain string) []string {
	local := strings.TrimPrefix(name, "@")
	local = strings.TrimSuffix(strings.TrimSuffix(local, ":"+domain), "@"+domain)
	return []string{name, local, "@" + local + ":" + domain}
}
