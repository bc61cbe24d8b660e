package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/url"
	"sort"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3response"
)

// flat gives the file backend the keys that S3 has: any 1024 bytes, in the order of their bytes, and "a" beside "a/b",
// which as files would be a file and a folder of one name. A key's file is named by its hexadecimal digits.
type flat struct {
	backend.Backend
}

const pieceLength = 200

func nameOf(key *string) *string {
	if key == nil || *key == "" {
		return key
	}
	digits := hex.EncodeToString([]byte(*key))
	var pieces []string
	for len(digits) > pieceLength {
		pieces = append(pieces, digits[:pieceLength])
		digits = digits[pieceLength:]
	}
	name := strings.Join(append(pieces, digits+"."), "/")
	return &name
}

func keyOf(name string) (string, error) {
	key, err := hex.DecodeString(strings.NewReplacer("/", "", ".", "").Replace(name))
	return string(key), err
}

func (f flat) PutObject(ctx context.Context, in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	in.Key = nameOf(in.Key)
	return f.Backend.PutObject(ctx, in)
}

func (f flat) HeadObject(ctx context.Context, in *s3.HeadObjectInput) (*s3.HeadObjectOutput, error) {
	in.Key = nameOf(in.Key)
	return f.Backend.HeadObject(ctx, in)
}

func (f flat) GetObject(ctx context.Context, in *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
	in.Key = nameOf(in.Key)
	return f.Backend.GetObject(ctx, in)
}

func (f flat) DeleteObject(ctx context.Context, in *s3.DeleteObjectInput) (*s3.DeleteObjectOutput, error) {
	in.Key = nameOf(in.Key)
	return f.Backend.DeleteObject(ctx, in)
}

func (f flat) CopyObject(ctx context.Context, in s3response.CopyObjectInput) (s3response.CopyObjectOutput, error) {
	source, err := renamedSource(in.CopySource)
	if err != nil {
		return s3response.CopyObjectOutput{}, err
	}
	in.CopySource, in.Key = source, nameOf(in.Key)
	return f.Backend.CopyObject(ctx, in)
}

func (f flat) CreateMultipartUpload(
	ctx context.Context, in s3response.CreateMultipartUploadInput,
) (s3response.InitiateMultipartUploadResult, error) {
	key := *in.Key
	in.Key = nameOf(in.Key)
	made, err := f.Backend.CreateMultipartUpload(ctx, in)
	made.Key = key
	return made, err
}

func (f flat) UploadPart(ctx context.Context, in *s3.UploadPartInput) (*s3.UploadPartOutput, error) {
	in.Key = nameOf(in.Key)
	return f.Backend.UploadPart(ctx, in)
}

func (f flat) UploadPartCopy(ctx context.Context, in *s3.UploadPartCopyInput) (s3response.CopyPartResult, error) {
	source, err := renamedSource(in.CopySource)
	if err != nil {
		return s3response.CopyPartResult{}, err
	}
	in.CopySource, in.Key = source, nameOf(in.Key)
	return f.Backend.UploadPartCopy(ctx, in)
}

func (f flat) CompleteMultipartUpload(
	ctx context.Context, in *s3.CompleteMultipartUploadInput,
) (s3response.CompleteMultipartUploadResult, string, error) {
	key := in.Key
	in.Key = nameOf(in.Key)
	made, version, err := f.Backend.CompleteMultipartUpload(ctx, in)
	made.Key = key
	return made, version, err
}

func (f flat) AbortMultipartUpload(ctx context.Context, in *s3.AbortMultipartUploadInput) error {
	in.Key = nameOf(in.Key)
	return f.Backend.AbortMultipartUpload(ctx, in)
}

// ListMultipartUploads lists them all on one page.
func (f flat) ListMultipartUploads(
	ctx context.Context, in *s3.ListMultipartUploadsInput,
) (s3response.ListMultipartUploadsResult, error) {
	limit, none := int32(1000), ""
	prefix := in.Prefix
	found, err := f.Backend.ListMultipartUploads(
		ctx, &s3.ListMultipartUploadsInput{Bucket: in.Bucket, MaxUploads: &limit, Prefix: &none, Delimiter: &none},
	)
	if err != nil {
		return found, err
	}
	uploads := found.Uploads
	found.Uploads = nil
	for _, upload := range uploads {
		if upload.Key, err = keyOf(upload.Key); err != nil {
			return found, err
		}
		if prefix == nil || strings.HasPrefix(upload.Key, *prefix) {
			found.Uploads = append(found.Uploads, upload)
		}
	}
	if prefix != nil {
		found.Prefix = *prefix
	}
	return found, nil
}

// ListObjectsV2 reads the whole bucket for every page: a test's bucket is small.
func (f flat) ListObjectsV2(ctx context.Context, in *s3.ListObjectsV2Input) (s3response.ListObjectsV2Result, error) {
	if in.Delimiter != nil && *in.Delimiter != "" {
		return s3response.ListObjectsV2Result{}, fmt.Errorf("a delimiter is not carried by the tests' server")
	}
	objects, err := f.objects(ctx, in.Bucket)
	if err != nil {
		return s3response.ListObjectsV2Result{}, err
	}
	prefix, after, limit := text(in.Prefix), max(text(in.StartAfter), text(in.ContinuationToken)), 1000
	if in.MaxKeys != nil {
		limit = int(*in.MaxKeys)
	}
	page := s3response.ListObjectsV2Result{
		Name: in.Bucket, Prefix: in.Prefix, StartAfter: in.StartAfter, ContinuationToken: in.ContinuationToken,
		MaxKeys: in.MaxKeys, EncodingType: types.EncodingType(in.EncodingType),
	}
	truncated := false
	for _, object := range objects {
		if !strings.HasPrefix(*object.Key, prefix) || *object.Key <= after {
			continue
		}
		if len(page.Contents) == limit {
			truncated = true
			page.NextContinuationToken = page.Contents[limit-1].Key
			break
		}
		page.Contents = append(page.Contents, object)
	}
	count := int32(len(page.Contents))
	page.KeyCount, page.IsTruncated = &count, &truncated
	return page, nil
}

func (f flat) objects(ctx context.Context, bucket *string) ([]s3response.Object, error) {
	limit, none, after := int32(1000), "", ""
	var all []s3response.Object
	for {
		page, err := f.Backend.ListObjectsV2(ctx, &s3.ListObjectsV2Input{
			Bucket: bucket, MaxKeys: &limit, ContinuationToken: &after, Prefix: &none, Delimiter: &none, StartAfter: &none,
		})
		if err != nil {
			return nil, err
		}
		for _, object := range page.Contents {
			key, err := keyOf(*object.Key)
			if err != nil {
				return nil, err
			}
			object.Key = &key
			all = append(all, object)
		}
		if page.IsTruncated == nil || !*page.IsTruncated {
			break
		}
		after = *page.NextContinuationToken
	}
	sort.Slice(all, func(i, j int) bool { return *all[i].Key < *all[j].Key })
	return all, nil
}

func renamedSource(source *string) (*string, error) {
	decoded, err := url.QueryUnescape(strings.TrimPrefix(*source, "/"))
	if err != nil {
		return nil, err
	}
	bucket, key, found := strings.Cut(decoded, "/")
	if !found {
		return nil, fmt.Errorf("not a copy source: %q", *source)
	}
	renamed := bucket + "/" + *nameOf(&key)
	return &renamed, nil
}

func text(value *string) string {
	if value == nil {
		return ""
	}
	return *value
}
