use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketLocationConstraint, CreateBucketConfiguration, Delete, ObjectIdentifier, PublicAccessBlockConfiguration, Tag,
    Tagging,
};

use tenet_core::MAX_TEXT;

use crate::error::{DeployError, refused};
use crate::names::{Names, TAG};
use crate::package::Package;
use crate::progress::Progress;
use crate::regional::Regional;

/// The bucket of a region: zips by their digests, and the result of the last smoke test.
///
/// Its name can be guessed, and another account may have taken it. So every call names the account
/// that has to own it; only `CreateBucket` has no such member.
pub(crate) struct Bucket<'a> {
    region: &'a Regional,
    names: &'a Names,
    name: String,
}

impl<'a> Bucket<'a> {
    pub(crate) fn of(region: &'a Regional, names: &'a Names) -> Self {
        Self { region, names, name: names.bucket(&region.name) }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn refused<E>(&self, call: &str, error: &SdkError<E, HttpResponse>) -> DeployError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let refused = refused(&self.region.name, &format!("{call} {}", self.name), error);
        // S3 answers so if the bucket is another account's, or if a right is missing.
        if error.raw_response().is_some_and(|response| response.status().as_u16() == 403) {
            return refused.help(format!(
                "either the credentials lack the right, or the bucket is not of the account {}: then deploy under \
                 another `name`",
                self.names.account
            ));
        }
        refused
    }

    /// Creates the bucket, private and accessible only over TLS. The tag is written last and marks
    /// the bucket as complete.
    pub(crate) async fn ensure(&self, progress: &dyn Progress) -> Result<(), DeployError> {
        let s3 = &self.region.objects;
        match s3.get_bucket_tagging().bucket(&self.name).expected_bucket_owner(&self.names.account).send().await {
            Ok(_) => return Ok(()),
            Err(error) => match error.as_service_error().and_then(ProvideErrorMetadata::code) {
                Some("NoSuchBucket") => self.create().await?,
                Some("NoSuchTagSet") => {}
                _ => return Err(self.refused("GetBucketTagging", &error)),
            },
        }
        let closed = PublicAccessBlockConfiguration::builder()
            .block_public_acls(true)
            .block_public_policy(true)
            .ignore_public_acls(true)
            .restrict_public_buckets(true)
            .build();
        let block = s3
            .put_public_access_block()
            .bucket(&self.name)
            .expected_bucket_owner(&self.names.account)
            .public_access_block_configuration(closed);
        block.send().await.map_err(|error| self.refused("PutPublicAccessBlock", &error))?;
        let arn = format!("arn:aws:s3:::{}", self.name);
        let policy = serde_json::json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [arn, format!("{arn}/*")],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }],
        });
        let put = s3
            .put_bucket_policy()
            .bucket(&self.name)
            .expected_bucket_owner(&self.names.account)
            .policy(policy.to_string());
        put.send().await.map_err(|error| self.refused("PutBucketPolicy", &error))?;
        let tag = Tag::builder().key(TAG).value(&self.names.name).build();
        let tags = tag.and_then(|tag| Tagging::builder().tag_set(tag).build());
        let tags = tags.map_err(|error| DeployError::new("a tag cannot be written").because(error))?;
        let put = s3.put_bucket_tagging().bucket(&self.name).expected_bucket_owner(&self.names.account).tagging(tags);
        put.send().await.map_err(|error| self.refused("PutBucketTagging", &error))?;
        progress.say(Some(&self.region.name), &format!("bucket {} is there", self.name));
        Ok(())
    }

    async fn create(&self) -> Result<(), DeployError> {
        let mut request = self.region.objects.create_bucket().bucket(&self.name);
        // The only region that must not be named in the request.
        if self.region.name != "us-east-1" {
            let place = BucketLocationConstraint::from(self.region.name.as_str());
            let place = CreateBucketConfiguration::builder().location_constraint(place).build();
            request = request.create_bucket_configuration(place);
        }
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_bucket_already_owned_by_you()) => {
                Ok(())
            }
            Err(error) => Err(self.refused("CreateBucket", &error)),
        }
    }

    /// Uploads a zip under its digest, unless it is present. Returns its key.
    pub(crate) async fn put(&self, package: &Package, progress: &dyn Progress) -> Result<String, DeployError> {
        let key = package.key();
        let s3 = &self.region.objects;
        match s3.head_object().bucket(&self.name).expected_bucket_owner(&self.names.account).key(&key).send().await {
            Ok(_) => return Ok(key),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_not_found()) => {}
            Err(error) => return Err(self.refused("HeadObject", &error)),
        }
        let put = s3
            .put_object()
            .bucket(&self.name)
            .expected_bucket_owner(&self.names.account)
            .key(&key)
            .body(ByteStream::from(package.zip.clone()));
        put.send().await.map_err(|error| self.refused("PutObject", &error))?;
        progress.say(Some(&self.region.name), &format!("{key} is in {}", self.name));
        Ok(key)
    }

    /// Writes a text object.
    pub(crate) async fn write(&self, key: &str, text: &str) -> Result<(), DeployError> {
        let body = ByteStream::from(text.as_bytes().to_vec());
        let put = self
            .region
            .objects
            .put_object()
            .bucket(&self.name)
            .expected_bucket_owner(&self.names.account)
            .key(key)
            .body(body);
        put.send().await.map_err(|error| self.refused("PutObject", &error))?;
        Ok(())
    }

    /// Reads a text object.
    pub(crate) async fn read(&self, key: &str) -> Result<Option<String>, DeployError> {
        let got = match self
            .region
            .objects
            .get_object()
            .bucket(&self.name)
            .expected_bucket_owner(&self.names.account)
            .key(key)
            .send()
            .await
        {
            Ok(got) => got,
            Err(error) => match error.as_service_error().and_then(ProvideErrorMetadata::code) {
                Some("NoSuchKey" | "NoSuchBucket") => return Ok(None),
                _ => return Err(self.refused("GetObject", &error)),
            },
        };
        let failed = || DeployError::new(format!("{}: GetObject of {key}", self.region.name));
        let (mut body, mut bytes) = (got.body, Vec::new());
        while let Some(part) = body.try_next().await.map_err(|error| failed().because(error))? {
            bytes.extend_from_slice(&part);
            if bytes.len() > MAX_TEXT {
                return Err(failed().because(format!("it has more than {MAX_TEXT} bytes")));
            }
        }
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Whether the bucket exists.
    pub(crate) async fn is_there(&self) -> Result<bool, DeployError> {
        match self
            .region
            .objects
            .head_bucket()
            .bucket(&self.name)
            .expected_bucket_owner(&self.names.account)
            .send()
            .await
        {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_not_found()) => Ok(false),
            Err(error) => Err(self.refused("HeadBucket", &error)),
        }
    }

    /// Removes the bucket with its contents. Returns whether it existed.
    pub(crate) async fn delete(&self) -> Result<bool, DeployError> {
        if !self.is_there().await? {
            return Ok(false);
        }
        let s3 = &self.region.objects;
        let mut pages =
            s3.list_objects_v2().bucket(&self.name).expected_bucket_owner(&self.names.account).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.refused("ListObjectsV2", &error))?;
            let objects = page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key);
            let objects: Result<Vec<_>, _> = objects.map(|key| ObjectIdentifier::builder().key(key).build()).collect();
            let objects = objects.map_err(|error| DeployError::new("an object has no name").because(error))?;
            if objects.is_empty() {
                continue;
            }
            let delete = Delete::builder().set_objects(Some(objects)).quiet(true).build();
            let delete = delete.map_err(|error| DeployError::new("nothing is to be deleted").because(error))?;
            let done = s3
                .delete_objects()
                .bucket(&self.name)
                .expected_bucket_owner(&self.names.account)
                .delete(delete)
                .send()
                .await;
            let done = done.map_err(|error| self.refused("DeleteObjects", &error))?;
            if let Some(left) = done.errors.unwrap_or_default().pop() {
                return Err(DeployError::new(format!(
                    "{}: DeleteObjects {}: {}: {}",
                    self.region.name,
                    self.name,
                    left.key.unwrap_or_default(),
                    left.message.unwrap_or_default()
                )));
            }
        }
        match s3.delete_bucket().bucket(&self.name).expected_bucket_owner(&self.names.account).send().await {
            Ok(_) => Ok(true),
            Err(error) => Err(self.refused("DeleteBucket", &error)),
        }
    }
}
