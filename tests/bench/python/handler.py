"""What most would write instead: one Lambda function in Python, with boto3 and a driver.

Signs its token, connects while it is initialised, and answers with one query.
"""

import json
import os

import boto3
import psycopg

REGION = os.environ["AWS_REGION"]
DATABASE = os.environ["BENCH_DATABASE_URL"]

dsql = boto3.client("dsql", region_name=REGION)
events = boto3.client("events", region_name=REGION)


def connect():
    token = dsql.generate_db_connect_admin_auth_token("example.dsql.%s.on.aws" % REGION, REGION)
    return psycopg.connect(DATABASE, password=token)


connection = connect()


def handler(event, context):
    with connection.cursor() as cursor:
        cursor.execute(event["sql"])
        count = len(cursor.fetchall())
    connection.commit()
    return {"statusCode": 200, "body": json.dumps({"rows": count})}
