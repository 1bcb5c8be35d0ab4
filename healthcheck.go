package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/alecthomas/kingpin/v2"
)

// healthcheckTimeout is how long a healthy exporter may take to say so; its
// page does nothing but that.
const healthcheckTimeout = 5 * time.Second

// addHealthcheck adds the command that asks a running exporter how it is: for
// containers, which have no other program in them.
func addHealthcheck(app *kingpin.Application) command {
	cmd := app.Command("healthcheck", "Ask a running exporter whether it is healthy: exit code 0 if it answers 200, else 1.")
	url := enved{cmd}.Flag("url", "Page to ask for; /-/ready tells also whether each server has been tried.").
		Default("http://127.0.0.1:10052/-/healthy").String()
	return func(ctx context.Context, e environment) error {
		if err := healthcheck(ctx, *url); err != nil {
			return err
		}
		_, _ = fmt.Fprintln(e.stdout, "healthy")
		return nil
	}
}

func healthcheck(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, healthcheckTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return &usageError{fmt.Errorf("--url: %w", err)}
	}
	transport := &http.Transport{} // without the proxies of the environment
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return fmt.Errorf("not healthy: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("not healthy: the answer is %s", response.Status)
	}
	return nil
}
