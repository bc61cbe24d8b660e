// Command s3server is the S3 server that the tests start: versitygw, which checks signatures as AWS does, over a folder.
//
//	s3server ADDRESS FOLDER REGION ACCOUNTS
//
// The owner's key is read from ROOT_ACCESS_KEY and ROOT_SECRET_KEY, all others from users.json in the folder ACCOUNTS.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 5 {
		return fmt.Errorf("usage: %s ADDRESS FOLDER REGION ACCOUNTS", os.Args[0])
	}
	address, folder, region, accounts := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	files, err := posix.New(folder, meta.XattrMeta{}, posix.PosixOpts{Concurrency: 100, CopyObjectThreshold: 5 << 30})
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	return embedgw.RunVersityGW(ctx, flat{files}, &embedgw.Config{
		IAMDir:            accounts,
		RootUserAccess:    os.Getenv("ROOT_ACCESS_KEY"),
		RootUserSecret:    os.Getenv("ROOT_SECRET_KEY"),
		Region:            region,
		Ports:             []string{address},
		MaxConnections:    1000,
		MaxRequests:       1000,
		MultipartMaxParts: 10000,
		KeepAlive:         true,
		Quiet:             true,
		HealthPath:        "/health",
		// Its cache, with no interval set, is tidied without a pause: a core for as long as the server runs.
		IAMCacheDisable: true,
	})
}
