-- What 1.1.0's own makemigrations and migrate made on SQLite.
CREATE TABLE "django_plugin_system_plugintype" ("id" char(32) NOT NULL PRIMARY KEY, "name" varchar(100) NOT NULL, "manager" varchar(100) NOT NULL, "description" text NOT NULL, CONSTRAINT "uniq_plugin_type_name_manager" UNIQUE ("name", "manager"));
CREATE TABLE "django_plugin_system_pluginitem" ("id" char(32) NOT NULL PRIMARY KEY, "module" varchar(100) NOT NULL, "name" varchar(100) NOT NULL, "status" varchar(10) NOT NULL, "priority" smallint NOT NULL, "description" text NULL, "plugin_type_id" char(32) NOT NULL REFERENCES "django_plugin_system_plugintype" ("id") DEFERRABLE INITIALLY DEFERRED, CONSTRAINT "uniq_plugin_item_name_module_type" UNIQUE ("name", "module", "plugin_type_id"));
CREATE INDEX "django_plugin_system_plugintype_name_e60a9265" ON "django_plugin_system_plugintype" ("name");
CREATE INDEX "django_plug_name_73298a_idx" ON "django_plugin_system_plugintype" ("name");
CREATE INDEX "django_plug_manager_593144_idx" ON "django_plugin_system_plugintype" ("manager");
CREATE INDEX "django_plugin_system_pluginitem_name_6627f07a" ON "django_plugin_system_pluginitem" ("name");
CREATE INDEX "django_plugin_system_pluginitem_status_04a0937f" ON "django_plugin_system_pluginitem" ("status");
CREATE INDEX "django_plugin_system_pluginitem_plugin_type_id_b3582bee" ON "django_plugin_system_pluginitem" ("plugin_type_id");
CREATE INDEX "django_plug_plugin__1c995d_idx" ON "django_plugin_system_pluginitem" ("plugin_type_id", "status", "priority");
CREATE INDEX "django_plug_module_1bcece_idx" ON "django_plugin_system_pluginitem" ("module");
